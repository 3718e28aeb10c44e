// SPDX-License-Identifier: Apache-2.0
import {
  bearerChallenge,
  isPasswordWanted,
  MAX_TOKEN_BYTES,
  tokenIn,
  type BearerChallenge,
} from "../courier/server/challenge.ts";
import { shownUrl, type FollowedAnswer, type OpenedAnswer } from "../courier/server/http.ts";
import { fieldsIn } from "../courier/server/json-fields.ts";
import { excerpt } from "../log/excerpt.ts";
import type { Credential, Credentials } from "./credentials.ts";
import { RegistryError } from "./error.ts";
import type { Call, CallRequest, Host } from "./host.ts";

/** What is done in a repository. */
export interface Access {
  readonly repository: string;
  readonly actions: "pull" | "pull,push";
}

/** An answer, and what it takes to say what is wrong with it. */
export interface AuthorizedAnswer extends FollowedAnswer {
  readonly request: CallRequest;
  /** Whether it is the registry's own and not that of a host to which it led. */
  readonly isOwn: boolean;
  /** What the registry was asked with. */
  readonly authorization: string | undefined;
}

/** The same of an answer whose body has not come yet; `next` is the other host to which it leads. */
export interface AuthorizedOpening extends Omit<AuthorizedAnswer, "answer"> {
  readonly answer: OpenedAnswer;
  readonly next?: URL;
}

type Head = Pick<OpenedAnswer, "status" | "headers"> & Partial<Pick<OpenedAnswer, "body">>;

interface Token {
  readonly authorization: string;
  /** In milliseconds since 1970. */
  readonly until: number;
}

const MAX_TOKENS = 1_000;
/** The distribution specification says so of tokens that do not say how long they are good. */
const DEFAULT_TOKEN_SECONDS = 60;
const MAX_TOKEN_SECONDS = 60 * 60;
/** A token is not used up to its last second: the clocks are not the same. */
const TOKEN_MARGIN_SECONDS = 10;
/** More of them than any registry asks for. */
const MAX_SCOPES = 4;

/**
 * What one registry is asked with: the tokens that it gave out, by what they are for, or a name and a password. The registry is
 * asked without any first; credentials go to the server that gives its tokens, or to itself when it wants them.
 */
export class Authorization {
  readonly #registry: string;
  readonly #host: Host;
  readonly #origin: string;
  readonly #credentials: Credentials;
  readonly #tokens = new Map<string, Token>();
  #password: string | undefined;

  constructor(
    registry: string,
    { host, start, credentials }: { host: Host; start: URL; credentials: Credentials },
  ) {
    this.#registry = registry;
    this.#host = host;
    this.#origin = start.origin;
    this.#credentials = credentials;
  }

  /** The answer of whatever status but 429 and 5xx to a request with what it takes. Throws RegistryError and HttpError. */
  async ask(call: Call, request: CallRequest, access: Access): Promise<AuthorizedAnswer> {
    return this.#authorized(call, request, access, (authorization) =>
      this.#host.ask(call, { ...request, authorization }),
    );
  }

  /** The same with a body that comes as it is read, or with the host to which the registry leads. */
  async open(call: Call, request: CallRequest, access: Access): Promise<AuthorizedOpening> {
    return this.#authorized(call, request, access, (authorization) =>
      this.#host.open(call, { ...request, authorization }),
    );
  }

  async #authorized<Followed extends Pick<AuthorizedOpening, "from"> & { readonly answer: Head }>(
    call: Call,
    request: CallRequest,
    access: Access,
    send: (authorization: string | undefined) => Promise<Followed>,
  ): Promise<Followed & Pick<AuthorizedAnswer, "request" | "isOwn" | "authorization">> {
    const isForRegistry = request.url.origin === this.#origin;
    const scope = `repository:${access.repository}:${access.actions}`;
    let authorization = isForRegistry ? this.#known(scope) : undefined;
    let followed = await send(authorization);
    if (isForRegistry && followed.answer.status === 401 && followed.from.origin === this.#origin) {
      const known = this.#known(scope);
      // Another call may have a new one by now.
      const isRenewed = known !== undefined && known !== authorization;
      const fresh = isRenewed
        ? known
        : await this.#fresh(call, { ...followed, method: request.method }, scope);
      if (fresh !== undefined && fresh !== authorization) {
        authorization = fresh;
        followed.answer.body?.destroy();
        followed = await send(authorization);
      }
    }
    return { ...followed, request, isOwn: followed.from.origin === this.#origin, authorization };
  }

  #known(scope: string): string | undefined {
    const token = this.#tokens.get(scope);
    if (token !== undefined && token.until > this.#host.clock()) return token.authorization;
    return this.#password;
  }

  async #fresh(
    call: Call,
    { answer, from, method }: { readonly answer: Head; readonly from: URL } & Pick<CallRequest, "method">,
    scope: string,
  ): Promise<string | undefined> {
    this.#tokens.delete(scope);
    const header = answer.headers["www-authenticate"] ?? "";
    const challenge = bearerChallenge(header);
    if (challenge !== undefined) {
      const token = await this.#token(call, challenge, {
        what: `${method} ${shownUrl(from)}: status ${answer.status}`,
        scope,
      });
      const [oldest] = this.#tokens.keys();
      if (this.#tokens.size >= MAX_TOKENS && oldest !== undefined) this.#tokens.delete(oldest);
      this.#tokens.set(scope, token);
      return token.authorization;
    }
    if (!isPasswordWanted(header)) return undefined;
    const credential = await this.#credentials.of(this.#registry, call.signal);
    return (this.#password = credential?.kind === "password" ? basic(credential) : undefined);
  }

  async #token(
    call: Call,
    challenge: BearerChallenge,
    { what: asked, scope }: { readonly what: string; readonly scope: string },
  ): Promise<Token> {
    const refused = (why: string) => new RegistryError("bad-answer", `${asked}: ${why}`);
    const realm = URL.parse(challenge.realm);
    if (realm === null) throw refused("its token realm is no URL");
    const wrong = this.#host.reach.realmObjection(realm);
    if (wrong !== undefined) throw refused(`wants a token of "${excerpt(realm.host, 300)}", ${wrong}`);

    const credential = await this.#credentials.of(this.#registry, call.signal);
    const request = tokenRequest(realm, {
      service: challenge.service,
      scopes: scopesOf(challenge, scope),
      credential,
    });
    const { answer } = await this.#host.ask(call, request);
    const what = `${request.method} ${shownUrl(realm)}: status ${answer.status}`;
    if (answer.status === 400 || answer.status === 401 || answer.status === 403) {
      const why =
        credential === undefined
          ? `there are no credentials for "${this.#registry}", and without any there is no token for "${scope}"; log in to it`
          : `the credentials for "${this.#registry}" give no token for "${scope}"; log in to it again`;
      throw new RegistryError("needs-credentials", `${what}: ${why}`);
    }
    if (answer.status !== 200) {
      const code = answer.status >= 400 ? "refused" : "bad-answer";
      throw new RegistryError(code, `${what}: no token for "${scope}"`);
    }
    const token = tokenIn(answer.bytes);
    // The answer is not shown: whatever it is, it may hold a token.
    if (token === undefined) throw new RegistryError("bad-answer", `${what}: the answer has no token`);
    const seconds = fieldsIn(answer.bytes)["expires_in"];
    const lasts = typeof seconds === "number" && seconds > 0 ? seconds : DEFAULT_TOKEN_SECONDS;
    const ms = (Math.min(lasts, MAX_TOKEN_SECONDS) - TOKEN_MARGIN_SECONDS) * 1_000;
    return { authorization: `Bearer ${token}`, until: this.#host.clock() + ms };
  }
}

/** What the token is to be good for: what is done, and what else the registry names (`aws`, or its own name of the repository). */
function scopesOf({ scope: named = "" }: BearerChallenge, scope: string): readonly string[] {
  const own = scope.slice(0, scope.lastIndexOf(":") + 1);
  const others = named.split(" ").filter((each) => each !== "" && !each.startsWith(own));
  return [...new Set([scope, ...others])].slice(0, MAX_SCOPES);
}

function tokenRequest(
  realm: URL,
  {
    service,
    scopes,
    credential,
  }: {
    readonly service: string | undefined;
    readonly scopes: readonly string[];
    readonly credential: Credential | undefined;
  },
): CallRequest & { readonly authorization?: string } {
  const bounds = { maxBytes: MAX_TOKEN_BYTES, headers: { accept: "application/json" } };
  if (credential?.kind === "identity-token") {
    const form = new URLSearchParams({
      grant_type: "refresh_token",
      client_id: "tlog-dockerfile",
      refresh_token: credential.token,
      scope: scopes.join(" "),
      ...(service !== undefined && { service }),
    });
    const headers = { ...bounds.headers, "content-type": "application/x-www-form-urlencoded" };
    return { ...bounds, method: "POST", url: realm, headers, body: form.toString() };
  }
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set("service", service);
  url.searchParams.delete("scope");
  for (const scope of scopes) url.searchParams.append("scope", scope);
  return { ...bounds, method: "GET", url, ...(credential && { authorization: basic(credential) }) };
}

function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/**
 * What is wrong with an answer whose status is none of those that were expected. `name` is what it is about, as messages name it;
 * `registry` is where to log in.
 */
export function unexpectedStatus(
  { answer, from, request, isOwn, authorization }: AuthorizedAnswer,
  { name, registry }: { readonly name: string; readonly registry: string },
): RegistryError {
  const { status, bytes } = answer;
  const what = `${request.method} ${shownUrl(from)}: status ${status}`;
  const said = isOwn ? saidIn(bytes, authorization) : "";
  if (isOwn && (status === 401 || status === 403)) {
    const why =
      authorization === undefined
        ? `${name} does not exist or needs credentials; log in to "${registry}"`
        : `${name} does not exist or the credentials for "${registry}" do not allow it`;
    return new RegistryError("needs-credentials", `${what}: ${why}${said}`);
  }
  if (isOwn && status === 404)
    return new RegistryError("not-found", `${what}: the registry has no ${name}${said}`);
  if (status >= 400) return new RegistryError("refused", `${what}: the registry refuses ${name}${said}`);
  return new RegistryError("bad-answer", `${what}: that is no answer about ${name}`);
}

/** What the registry says is wrong; nothing when it repeats what it was asked with. */
function saidIn(bytes: Buffer, authorization: string | undefined): string {
  if (bytes.length === 0) return "";
  const text = bytes.toString("latin1");
  const [scheme, secret = ""] = authorization?.split(" ") ?? [];
  const password =
    scheme === "Basic" ? Buffer.from(secret, "base64").toString("latin1").split(":", 2)[1] : "";
  const isRepeated = [secret, password].some((each) => each && text.includes(each));
  return isRepeated ? "" : `: "${excerpt(bytes, 160)}"`;
}

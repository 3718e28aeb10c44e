// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../../log/excerpt.ts";
import { bearerChallenge, type BearerChallenge } from "./challenge.ts";
import { HttpError, sendHttp, shownUrl, type HttpAnswer } from "./http.ts";

/** Where a repository is, and how it is asked. */
export interface RepositoryAddress {
  /** As in a reference: `docker.io`, `localhost:5000`. */
  readonly registry: string;
  readonly repository: string;
  /** Whether this registry is asked over http instead of https. */
  readonly plainHttp: boolean;
}

/** One thing of a repository. */
export interface RegistryQuestion {
  readonly address: RepositoryAddress;
  /** Behind the repository's URL: `manifests/3.16.0`. */
  readonly path: string;
  /** How messages name it: `"docker.io/library/alpine:3.16.0"`. */
  readonly name: string;
  readonly accept: string;
  /** The largest answer that is read, in bytes. */
  readonly maxBytes: number;
}

/** Why a registry has no answer for us; the codes are those of the protocol. */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly code: "unreachable" | "refused" | "bad-answer" | "not-found" | "needs-credentials";
  constructor(code: RegistryError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** An answer of status 200. */
export interface RegistryAnswer {
  readonly answer: HttpAnswer;
  /** For messages: `GET https://…: status 200`. */
  readonly what: string;
}

const MAX_REDIRECTS = 3;
const MAX_TOKEN_BYTES = 64 * 1024;

const HOST = /^(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*$/;
const PATH =
  /^(?:manifests|blobs)\/(?:\w[\w.-]{0,127}|sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/;

/**
 * What the registry serves everybody: no credentials are sent, only the anonymous token that the registry may hand
 * out, and that to nobody else. Throws RegistryError and HttpError.
 */
export async function askRegistry(question: RegistryQuestion, signal: AbortSignal): Promise<RegistryAnswer> {
  const { name, address } = question;
  const url = urlOf(question);
  let { answer, from } = await follow(url, undefined, question, signal);
  const challenge =
    answer.status === 401 && from.origin === url.origin
      ? bearerChallenge(answer.headers["www-authenticate"] ?? "")
      : undefined;
  if (challenge !== undefined) {
    const token = await anonymousToken(challenge, { url, repository: address.repository, name, signal });
    ({ answer, from } = await follow(url, `Bearer ${token}`, question, signal));
  }
  const what = `GET ${shownUrl(from)}: status ${answer.status}`;
  if (answer.status === 401 || answer.status === 403) throw needsCredentials(what, name);
  if (answer.status === 404) throw new RegistryError("not-found", `${what}: the registry has no ${name}`);
  if (answer.status !== 200) throw unexpected(what, answer);
  return { answer, what };
}

function urlOf({ address: { registry, repository, plainHttp }, path, name }: RegistryQuestion): URL {
  // Whatever else these hold would become another path or host.
  if (!HOST.test(registry) || !REPOSITORY.test(repository) || !PATH.test(path)) {
    throw new RegistryError("refused", `${excerpt(name, 200)} is not the name of anything in a registry`);
  }
  const host = registry === "docker.io" || registry === "index.docker.io" ? "registry-1.docker.io" : registry;
  return new URL(`${plainHttp ? "http" : "https"}://${host}/v2/${repository}/${path}`);
}

/** GET, with at most three redirects, none of which may leave https or carry our token to another host. */
async function follow(
  start: URL,
  authorization: string | undefined,
  { accept, maxBytes }: Pick<RegistryQuestion, "accept" | "maxBytes">,
  signal: AbortSignal,
): Promise<{ answer: HttpAnswer; from: URL }> {
  let url = start;
  for (let redirects = 0; ; redirects++) {
    const known = authorization !== undefined && url.origin === start.origin;
    const headers = { accept, ...(known ? { authorization } : {}) };
    const answer = await get({ url, headers, maxBytes, signal });
    const location = answer.headers["location"];
    if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined)
      return { answer, from: url };
    const what = `GET ${shownUrl(url)}: status ${answer.status}`;
    const next = URL.canParse(location, url.href) ? new URL(location, url.href) : undefined;
    if (next === undefined) throw new RegistryError("bad-answer", `${what}: redirects to what is no URL`);
    if (redirects === MAX_REDIRECTS) {
      throw new RegistryError("bad-answer", `${what}: redirects more than ${MAX_REDIRECTS} times`);
    }
    requireSafe(next, { plain: start, what, how: "redirects to" });
    url = next;
  }
}

async function get(request: {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}): Promise<HttpAnswer> {
  try {
    return await sendHttp({ method: "GET", ...request });
  } catch (cause) {
    if (cause instanceof HttpError && cause.code === "too-large") {
      throw new RegistryError("bad-answer", cause.message, { cause });
    }
    throw cause;
  }
}

async function anonymousToken(
  challenge: BearerChallenge,
  {
    url,
    repository,
    name,
    signal,
  }: { readonly url: URL; readonly repository: string; readonly name: string; readonly signal: AbortSignal },
): Promise<string> {
  const what = `GET ${shownUrl(url)}: status 401`;
  const realm = URL.canParse(challenge.realm) ? new URL(challenge.realm) : undefined;
  if (realm === undefined) {
    throw new RegistryError("bad-answer", `${what}: its token realm "${excerpt(challenge.realm)}" is no URL`);
  }
  requireSafe(realm, { plain: url, what, how: "wants a token of" });
  if (challenge.service !== undefined) realm.searchParams.set("service", challenge.service);
  realm.searchParams.set("scope", challenge.scope ?? `repository:${repository}:pull`);

  const headers = { accept: "application/json" };
  const answer = await sendHttp({ method: "GET", url: realm, headers, maxBytes: MAX_TOKEN_BYTES, signal });
  const asked = `GET ${shownUrl(realm)}: status ${answer.status}`;
  if (answer.status === 401 || answer.status === 403) throw needsCredentials(asked, name);
  if (answer.status !== 200) throw unexpected(asked, answer);
  const token = tokenOf(answer.bytes);
  // The answer is not shown: whatever it is, it may hold a token.
  if (token === undefined) throw new RegistryError("bad-answer", `${asked}: the answer has no token`);
  return token;
}

function tokenOf(bytes: Buffer): string | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
  if (typeof answer !== "object" || answer === null) return undefined;
  const token =
    "token" in answer && answer.token !== ""
      ? answer.token
      : "access_token" in answer
        ? answer.access_token
        : "";
  // Only what may stand in a header; 8 KiB is what servers accept there.
  return typeof token === "string" && /^[\x21-\x7e]{1,8192}$/.test(token) ? token : undefined;
}

/** https anywhere; plain http only to the very host that may be asked so; credentials in a URL never. */
function requireSafe(
  url: URL,
  { plain, what, how }: { readonly plain: URL; readonly what: string; readonly how: string },
): void {
  const secure = url.protocol === "https:" || (plain.protocol === "http:" && url.origin === plain.origin);
  const wrong =
    url.username !== "" || url.password !== "" ? "has credentials in it" : secure ? "" : "is not https";
  if (wrong !== "") {
    throw new RegistryError(
      "bad-answer",
      `${what}: ${how} "${shownUrl(url)}", which is not asked: it ${wrong}`,
    );
  }
}

function needsCredentials(what: string, name: string): RegistryError {
  return new RegistryError(
    "needs-credentials",
    `${what}: ${name} does not exist or needs credentials; only what everybody can pull is looked at`,
  );
}

function unexpected(what: string, { status, bytes }: HttpAnswer): RegistryError {
  const code = status === 429 || status >= 500 ? "unreachable" : status >= 400 ? "refused" : "bad-answer";
  const why = status === 429 ? "too many requests from this address; try again later" : `"${excerpt(bytes)}"`;
  return new RegistryError(code, `${what}: ${why}`);
}

// SPDX-License-Identifier: Apache-2.0
import { failureByStatus } from "../../log/json-api.ts";
import { MAX_SECRET_BYTES, SECRET_NAMES } from "../protocol.ts";
import { unusableSecret, type Failure } from "./failure.ts";
import { HttpError, sendHttp } from "./http.ts";
import { fieldsIn, fieldsOf, type Fields } from "./json-fields.ts";

/** An issuer and an identity as Fulcio writes them into certificates, from the claims of a token. */
export interface ClaimedIdentity {
  readonly issuer: string;
  readonly identity: string;
}

/** An OpenID Connect identity token (a JWT) that looks usable. The certificate authority verifies its signature. */
export interface IdentityToken {
  readonly token: string;
  /** The issuer and the identity that a certificate for it should name. */
  readonly claims: ClaimedIdentity;
  /** What the new key signs to prove to the authority that the token's holder has it: the email address, or the subject. */
  readonly subject: string;
  readonly expires: Date;
}

/** The audience of tokens for Fulcio. It is shown no other token. */
const AUDIENCE = "sigstore";
const MAX_NAME_LENGTH = 2048;
const GITHUB_ISSUER = "https://token.actions.githubusercontent.com";
/** The issuer of a self-hosted GitHub server: its workflows have the same host. */
const GITHUB_SERVER_ISSUER = /^(https:\/\/[^/]+)\/_services\/token$/;
const SIGSTORE_DEX_ISSUER = "https://oauth2.sigstore.dev/auth";
const CHAINGUARD_ISSUER = "https://issuer.enforce.dev";
const MAX_ANSWER_BYTES = 2 * MAX_SECRET_BYTES;

/** Reads the token that this secret gives, as it is at this time. Throws Failure `no-signer`, which shows nothing of it. */
export function readIdentityToken(
  text: string,
  { secret, now }: { readonly secret: string; readonly now: Date },
): IdentityToken {
  const wrong = (code: string, why: string): Failure =>
    unusableSecret(`identity-token-${code}`, secret, `cannot sign: ${why}`);
  const token = text.trim();
  if (token === "") throw wrong("empty", "it is empty");
  if (token.length > MAX_SECRET_BYTES) {
    throw wrong("too-large", `it is larger than ${MAX_SECRET_BYTES} bytes, which no token is`);
  }
  const [, payload] = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(token) ?? [];
  const claims = fieldsIn(Buffer.from(payload ?? "", "base64url"));
  if (Object.keys(claims).length === 0) {
    throw wrong(
      "not-jwt",
      "it is not an OpenID Connect identity token (a JWT: three parts with dots between)",
    );
  }
  if (![claims["aud"]].flat().includes(AUDIENCE)) {
    throw wrong(
      "wrong-audience",
      `it is meant for another audience; ask its issuer for a token with the audience "${AUDIENCE}"`,
    );
  }
  const expires = new Date(typeof claims["exp"] === "number" ? claims["exp"] * 1000 : Number.NaN);
  if (!(expires > now)) {
    const when = Number.isNaN(expires.getTime()) ? "at no time that it says" : `at ${expires.toISOString()}`;
    throw wrong(
      "expired",
      `it expired ${when}, and it is ${now.toISOString()} now; get a new one just before the build`,
    );
  }
  const named = certificateSubject(claims);
  if (named === undefined) {
    throw wrong("no-identity", "it names no issuer (iss) or no subject (sub)");
  }
  if (named === "unverified") {
    throw wrong("unverified", "its issuer has not verified the email address in it");
  }
  const subject = typeof claims["email"] === "string" && claims["email"] ? claims["email"] : claims["sub"];
  return { token, claims: named, subject: String(subject), expires };
}

/**
 * The issuer and the identity that a certificate for a token with these claims names, as Fulcio is configured for the
 * issuers of the public instance and for others of their kinds; undefined when the token has no issuer or no subject.
 * `unverified`: its issuer has not verified the email address, and Fulcio issues no certificate for it.
 *
 * An authority can be configured differently. The certificate shows what it made of the token, so a wrong guess only
 * repeats a record that exists already.
 */
export function certificateSubject(claims: Fields): ClaimedIdentity | "unverified" | undefined {
  const issuer = textOf(claims["iss"]);
  const subject = textOf(claims["sub"]);
  if (!/^https?:\/\/./.test(issuer) || subject === "") return undefined;
  const uri = workflowOf(issuer, claims) ?? pipelineOf(claims) ?? serviceAccountOf(claims);
  if (uri !== undefined) return { issuer, identity: uri };
  if (issuer === CHAINGUARD_ISSUER) return { issuer, identity: `${issuer}/${subject}` };
  const email = textOf(claims["email"]);
  // The rest are URIs and SPIFFE IDs, which certificates have unchanged.
  if (email === "") return { issuer, identity: subject };
  if (claims["email_verified"] !== true && claims["email_verified"] !== "true") return "unverified";
  return { issuer: connectorOf(issuer, claims) ?? issuer, identity: email };
}

/** A job of GitHub Actions: the workflow with its steps, which may be another repository's. */
function workflowOf(issuer: string, claims: Fields): string | undefined {
  const workflow = textOf(claims["job_workflow_ref"]);
  if (workflow === "") return undefined;
  // An enterprise can have an issuer of its own below GitHub's.
  if (issuer === GITHUB_ISSUER || issuer.startsWith(`${GITHUB_ISSUER}/`))
    return `https://github.com/${workflow}`;
  const [, server] = GITHUB_SERVER_ISSUER.exec(issuer) ?? [];
  return server === undefined ? undefined : `${server}/${workflow}`;
}

/** A job of GitLab: the file that describes its pipeline, at its ref. */
function pipelineOf(claims: Fields): string | undefined {
  const config = textOf(claims["ci_config_ref_uri"]);
  return config === "" ? undefined : `https://${config}`;
}

/** A pod of Kubernetes: its service account. */
function serviceAccountOf(claims: Fields): string | undefined {
  const { namespace, serviceaccount } = fieldsOf(claims["kubernetes.io"]);
  const [space, name] = [textOf(namespace), textOf(fieldsOf(serviceaccount)["name"])];
  if (space === "" || name === "") return undefined;
  return `https://kubernetes.io/namespaces/${space}/serviceaccounts/${name}`;
}

/** Sigstore's own issuer lets other issuers log people in; certificates name those. */
function connectorOf(issuer: string, claims: Fields): string | undefined {
  if (issuer !== SIGSTORE_DEX_ISSUER) return undefined;
  return textOf(fieldsOf(claims["federated_claims"])["connector_id"]) || undefined;
}

/** A claim that can stand in a certificate; empty when it cannot. */
function textOf(claim: unknown): string {
  return typeof claim === "string" && claim.length <= MAX_NAME_LENGTH && /^[\x21-\x7e]+$/.test(claim)
    ? claim
    : "";
}

/** Where a job of GitHub Actions gets its identity tokens, and what proves there that it is this job. */
export interface TokenRequest {
  readonly url: string;
  readonly bearer: string;
}

/**
 * Fetches an identity token for the certificate authority. Throws Failure `no-signer`, which shows nothing of the
 * request's secrets, nor of what was answered.
 */
export async function requestGithubToken(
  { url, bearer }: TokenRequest,
  signal: AbortSignal,
): Promise<string> {
  const failed = (code: string, why: string, secret: string = SECRET_NAMES.githubToken): Failure =>
    unusableSecret(`identity-token-${code}`, secret, `brings no identity token: ${why}`);
  const address = githubUrl(url);
  if (address === undefined) {
    throw failed("bad-url", 'it is not a URL that begins with "https://"', SECRET_NAMES.githubUrl);
  }
  if (!/^[\x21-\x7e]+$/.test(bearer)) {
    throw failed("refused", "the request's token has blanks in it, or letters that no token has");
  }
  address.searchParams.set("audience", AUDIENCE);
  const where = `GET ${address.origin}/…`;
  const answer = await sendHttp({
    method: "GET",
    url: address,
    headers: { authorization: `Bearer ${bearer}`, accept: "application/json" },
    maxBytes: MAX_ANSWER_BYTES,
    signal,
  }).catch((cause: unknown) => {
    // The path of the address names the job, and comes from a secret.
    const why = cause instanceof HttpError ? WORDS[cause.reason] : "the request failed";
    throw failed("unreachable", `${where}: ${why}`);
  });
  if (answer.status !== 200) {
    throw failed(
      failureByStatus(answer.status) === "unreachable" ? "unreachable" : "refused",
      `${where}: status ${answer.status}; a job gets tokens while it runs, and with "permissions: id-token: write"`,
    );
  }
  const { value } = fieldsIn(answer.bytes);
  if (typeof value !== "string") throw failed("bad-answer", `${where}: the answer has no identity token`);
  return value;
}

const WORDS: Readonly<Record<HttpError["reason"], string>> = {
  "no-connection": "no connection",
  timeout: "no answer in time",
  "too-large": "the answer is larger than any token",
  truncated: "the answer ended too early",
};

function githubUrl(text: string): URL | undefined {
  const url = URL.parse(text.trim());
  if (url === null || url.username !== "" || url.password !== "") return undefined;
  const isLocal = url.protocol === "http:" && /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname);
  return url.protocol === "https:" || isLocal ? url : undefined;
}

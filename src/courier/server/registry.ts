// SPDX-License-Identifier: Apache-2.0
import { isPublicRegistry } from "../../image/registry.ts";
import { excerpt } from "../../log/excerpt.ts";
import { failureByStatus } from "../../log/json-api.ts";
import { MAX_MANIFEST_BYTES, MAX_RETRY_AFTER } from "../protocol.ts";
import { Failure } from "./failure.ts";
import { bearerChallenge, MAX_TOKEN_BYTES, tokenIn, type BearerChallenge } from "./challenge.ts";
import {
  followRedirects,
  mediaTypeOf,
  NotPublicError,
  sendHttp,
  shownUrl,
  type FollowedAnswer,
  type HttpAnswer,
} from "./http.ts";
import { MANIFEST_TYPES, registryUrl, urlIn, type RepositoryAddress } from "./registry-url.ts";
import { openReach, type Reach, type Resolve } from "./reach.ts";

/** The tag, or the digest, whose manifest is asked for. */
export interface TagAddress extends RepositoryAddress {
  readonly tag: string;
  /** Whether only a registry at a public address is asked. */
  readonly public?: boolean | undefined;
}

/** The blob that is asked for: a layer, a configuration, an attestation. */
export interface BlobAddress extends RepositoryAddress {
  readonly digest: string;
  /** The largest one that is read, in bytes. */
  readonly maxBytes: number;
}

/** A manifest or index, byte for byte as it was served. */
export interface Manifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

/** The digest that a tag names, where it is not the one that it was to name. */
export interface OtherDigest {
  readonly digest: string;
}

/** One thing of a repository. */
interface Question {
  readonly method: "GET" | "HEAD";
  readonly address: RepositoryAddress;
  /** Behind the repository's URL: `manifests/3.16.0`. */
  readonly path: string;
  /** How messages name it: `"docker.io/library/alpine:3.16.0"`. */
  readonly name: string;
  readonly accept: string;
  /** The largest answer that is read, in bytes. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

const DIGEST = /^sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})$/;

/** The manifest that the registry serves everybody under this tag or digest. `resolve` looks names up. Throws Failure. */
export function fetchManifest(
  address: TagAddress,
  signal: AbortSignal,
  resolve?: Resolve,
): Promise<Manifest> {
  return withSession(address, resolve, (session) => getManifest(session, address, signal));
}

/**
 * The same when the tag names this digest, and else the digest that it names. The registry is asked for that alone first,
 * which counts against nobody's limit. Throws Failure.
 */
export function fetchIfNamed(
  { digest, ...address }: TagAddress & { readonly digest: string },
  signal: AbortSignal,
  resolve?: Resolve,
): Promise<Manifest | OtherDigest> {
  return withSession(address, resolve, async (session) => {
    const { answer } = await ask(session, manifestQuestion("HEAD", address, signal));
    const named = (answer.status === 200 && answer.headers["docker-content-digest"]) || "";
    // Not every registry says it.
    if (!DIGEST.test(named)) return getManifest(session, address, signal);
    if (named !== digest) return { digest: named };
    return getManifest(session, { ...address, tag: digest }, signal);
  });
}

async function getManifest(session: Session, address: TagAddress, signal: AbortSignal): Promise<Manifest> {
  const { answer, from, isOwn } = await ask(session, manifestQuestion("GET", address, signal));
  const mediaType = mediaTypeOf(answer);
  if (!MANIFEST_TYPES.includes(mediaType)) {
    const begins = isOwn ? `; it begins "${excerpt(answer.bytes)}"` : "";
    throw new Failure(
      "bad-answer",
      `${said("GET", from, answer)}: media type "${excerpt(mediaType)}" is no image manifest or index${begins}`,
    );
  }
  return { bytes: answer.bytes, mediaType };
}

function manifestQuestion(method: Question["method"], address: TagAddress, signal: AbortSignal): Question {
  const { registry, repository, tag } = address;
  return {
    method,
    address,
    path: `manifests/${tag}`,
    name: `"${registry}/${repository}${tag.includes(":") ? "@" : ":"}${tag}"`,
    accept: MANIFEST_TYPES.join(", "),
    maxBytes: MAX_MANIFEST_BYTES,
    signal,
  };
}

/** A blob that the registry, or the storage it points to, serves everybody. Throws Failure. */
export function fetchBlob(address: BlobAddress, signal: AbortSignal, resolve?: Resolve): Promise<Buffer> {
  const { registry, repository, digest, maxBytes } = address;
  const name = `"${registry}/${repository}@${digest}" (a blob)`;
  const path = `blobs/${digest}`;
  const question: Question = { method: "GET", address, path, name, accept: "*/*", maxBytes, signal };
  return withSession(address, resolve, async (session) => (await ask(session, question)).answer.bytes);
}

/** The questions for one thing of a repository. */
interface Session {
  readonly reach: Reach;
  /** What the registry gave everybody to ask with. */
  authorization?: string;
}

/** Does the work in a session, and closes that. */
async function withSession<T>(
  { public: isPublicWanted = false, ...address }: RepositoryAddress & Pick<TagAddress, "public">,
  resolve: Resolve | undefined,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const { registry, repository } = address;
  const start = registryUrl(address);
  const notAsked = `"${excerpt(registry)}/${excerpt(repository, 200)}" is not asked for`;
  if (isPublicWanted && !isPublicRegistry(registry))
    throw new Failure("not-public", `${notAsked}: its registry has no public name`);
  const reach = openReach({ registry, isPublicWanted, start }, resolve);
  try {
    return await work({ reach });
  } catch (error) {
    if (!(error instanceof NotPublicError)) throw error;
    const code = error.hostname === start.hostname ? "not-public" : "bad-answer";
    throw new Failure(code, `${notAsked}: ${error.message}`, { cause: error });
  } finally {
    reach.close();
  }
}

/** An answer, and whether it is the registry's own and not of a host to which that led. */
interface OwnAnswer extends FollowedAnswer {
  readonly isOwn: boolean;
}

/**
 * An answer of status 200 that the registry gives to everybody. Sends no credentials, only the anonymous token that the
 * registry itself gives out, and that token to no other server.
 */
async function ask(session: Session, question: Question): Promise<OwnAnswer> {
  const { method, name, accept, maxBytes, signal } = question;
  const url = urlIn(question.address, question);
  const { connections, objection } = session.reach;
  const request = { method, url, headers: { accept }, maxBytes, signal, connections, isPolite: true };
  const follow = () => followRedirects({ ...request, authorization: session.authorization }, objection);
  let { answer, from } = await follow();
  const challenge =
    answer.status === 401 && from.origin === url.origin && session.authorization === undefined
      ? bearerChallenge(answer.headers["www-authenticate"] ?? "")
      : undefined;
  if (challenge !== undefined) {
    session.authorization = `Bearer ${await anonymousToken(challenge, url, { question, reach: session.reach })}`;
    ({ answer, from } = await follow());
  }
  if (answer.status === 404) {
    throw new Failure("not-found", `${said(method, from, answer)}: the registry has no ${name}`);
  }
  const isOwn = from.origin === url.origin;
  requireSuccess(answer, { method, from, name, isOwn });
  return { answer, from, isOwn };
}

async function anonymousToken(
  challenge: BearerChallenge,
  url: URL,
  { question, reach }: { readonly question: Question; readonly reach: Reach },
): Promise<string> {
  const {
    address: { repository },
    name,
    signal,
  } = question;
  const refused = (why: string) =>
    new Failure("bad-answer", `${question.method} ${shownUrl(url)}: status 401: ${why}`);
  const realm = URL.parse(challenge.realm);
  if (realm === null) throw refused("its token realm is no URL");
  const wrong = reach.realmObjection(realm);
  if (wrong !== undefined) throw refused(`wants a token of "${excerpt(realm.host, 300)}", ${wrong}`);
  if (challenge.service !== undefined) realm.searchParams.set("service", challenge.service);
  realm.searchParams.set("scope", challenge.scope ?? `repository:${repository}:pull`);

  const answer = await sendHttp({
    method: "GET",
    url: realm,
    headers: { accept: "application/json" },
    maxBytes: MAX_TOKEN_BYTES,
    signal,
    connections: reach.connections,
    isPolite: true,
  });
  requireSuccess(answer, { method: "GET", from: realm, name, isOwn: realm.origin === url.origin });
  const token = tokenIn(answer.bytes);
  // The answer is not shown: whatever it is, it may hold a token.
  if (token === undefined)
    throw new Failure("bad-answer", `${said("GET", realm, answer)}: the answer has no token`);
  return token;
}

/** Throws Failure for an answer of another status than 200. */
function requireSuccess(
  answer: HttpAnswer,
  {
    method,
    from,
    name,
    isOwn,
  }: {
    readonly method: Question["method"];
    readonly from: URL;
    readonly name: string;
    readonly isOwn: boolean;
  },
): void {
  const { status, bytes } = answer;
  if (status === 200) return;
  const what = said(method, from, answer);
  if (status === 401 || status === 403) {
    throw new Failure(
      "needs-credentials",
      `${what}: ${name} does not exist or needs credentials; only what everybody can pull is looked at`,
    );
  }
  if (status === 429) {
    const retryAfter = secondsOf(answer.headers["retry-after"]);
    const when = retryAfter === undefined ? "later" : `in ${retryAfter} seconds`;
    const why = `too many requests from this address; try again ${when}`;
    throw new Failure("rate-limited", `${what}: ${why}`, retryAfter === undefined ? {} : { retryAfter });
  }
  // What another host says is for nobody's screen.
  // Not every registry takes HEAD, and GET says why.
  if (method === "HEAD") return;
  throw new Failure(failureByStatus(status), isOwn ? `${what}: "${excerpt(bytes)}"` : what);
}

function secondsOf(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,9}$/.test(header)
    ? Math.min(Number(header), MAX_RETRY_AFTER)
    : undefined;
}

function said(method: Question["method"], from: URL, { status }: HttpAnswer): string {
  return `${method} ${shownUrl(from)}: status ${status}`;
}

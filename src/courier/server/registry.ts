// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../../log/excerpt.ts";
import { failureByStatus } from "../../log/json-api.ts";
import { MAX_MANIFEST_BYTES } from "../protocol.ts";
import { Failure } from "./failure.ts";
import { fieldsIn } from "./json-fields.ts";
import {
  followRedirects,
  mediaTypeOf,
  sendHttp,
  shownUrl,
  type FollowedAnswer,
  type HttpAnswer,
} from "./http.ts";

/** Where a repository is, and how it is asked. */
interface RepositoryAddress {
  /** As in a reference: `docker.io`, `localhost:5000`. */
  readonly registry: string;
  readonly repository: string;
  /** Whether this registry is asked over http instead of https. */
  readonly plainHttp: boolean;
}

/** The tag, or the digest, whose manifest is asked for. */
export interface TagAddress extends RepositoryAddress {
  readonly tag: string;
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

/** What a registry wants a token for (the token authentication of the distribution specification). */
export interface BearerChallenge {
  readonly realm: string;
  readonly service?: string | undefined;
  readonly scope?: string | undefined;
}

/** One thing of a repository. */
interface Question {
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

const MEDIA_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];
const MAX_TOKEN_BYTES = 64 * 1024;

const HOST = /^(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*$/;
const PATH =
  /^(?:manifests|blobs)\/(?:\w[\w.-]{0,127}|sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/;
// A scheme (no `=`) or a parameter, RFC 9110 section 11.
const CHALLENGE_PART = /[\s,]*([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/y;

/** The manifest that the registry serves everybody under this tag or digest. Throws Failure. */
export async function fetchManifest(address: TagAddress, signal: AbortSignal): Promise<Manifest> {
  const { registry, repository, tag } = address;
  const { answer, from } = await ask({
    address,
    path: `manifests/${tag}`,
    name: `"${registry}/${repository}${tag.includes(":") ? "@" : ":"}${tag}"`,
    accept: MEDIA_TYPES.join(", "),
    maxBytes: MAX_MANIFEST_BYTES,
    signal,
  });
  const mediaType = mediaTypeOf(answer);
  if (!MEDIA_TYPES.includes(mediaType)) {
    throw new Failure(
      "bad-answer",
      `${said(from, answer)}: media type "${excerpt(mediaType)}" is no image manifest or index; it begins "${excerpt(answer.bytes)}"`,
    );
  }
  return { bytes: answer.bytes, mediaType };
}

/** A blob that the registry, or the storage it points to, serves everybody. Throws Failure. */
export async function fetchBlob(address: BlobAddress, signal: AbortSignal): Promise<Buffer> {
  const { registry, repository, digest, maxBytes } = address;
  const name = `"${registry}/${repository}@${digest}" (a blob)`;
  const { answer } = await ask({ address, path: `blobs/${digest}`, name, accept: "*/*", maxBytes, signal });
  return answer.bytes;
}

/**
 * An answer of status 200 that the registry gives to everybody. Sends no credentials, only the anonymous token that the
 * registry itself gives out, and that token to no other server.
 */
async function ask(question: Question): Promise<FollowedAnswer> {
  const { name, accept, maxBytes, signal } = question;
  const url = urlOf(question);
  const follow = (authorization?: string) =>
    followRedirects({ url, headers: { accept }, maxBytes, signal, authorization }, (next) =>
      unsafe(next, url),
    );
  let { answer, from } = await follow();
  const challenge =
    answer.status === 401 && from.origin === url.origin
      ? bearerChallenge(answer.headers["www-authenticate"] ?? "")
      : undefined;
  if (challenge !== undefined) {
    ({ answer, from } = await follow(`Bearer ${await anonymousToken(challenge, url, question)}`));
  }
  if (answer.status === 404) {
    throw new Failure("not-found", `${said(from, answer)}: the registry has no ${name}`);
  }
  requireSuccess(from, answer, name);
  return { answer, from };
}

function urlOf({ address: { registry, repository, plainHttp }, path, name }: Question): URL {
  // Whatever else these hold would become another path or host.
  if (!HOST.test(registry) || !REPOSITORY.test(repository) || !PATH.test(path)) {
    throw new Failure("refused", `${excerpt(name, 200)} is not the name of anything in a registry`);
  }
  const host = registry === "docker.io" || registry === "index.docker.io" ? "registry-1.docker.io" : registry;
  return new URL(`${plainHttp ? "http" : "https"}://${host}/v2/${repository}/${path}`);
}

/** The first Bearer challenge with a realm in a WWW-Authenticate header; undefined when there is none. */
export function bearerChallenge(header: string): BearerChallenge | undefined {
  const parts = new RegExp(CHALLENGE_PART);
  let inBearer = false;
  const parameters = new Map<string, string>();
  for (let part = parts.exec(header); part !== null; part = parts.exec(header)) {
    const name = (part[1] ?? "").toLowerCase();
    const value = part[2]?.replace(/\\(.)/g, "$1") ?? part[3];
    if (value === undefined) {
      if (parameters.has("realm")) break;
      inBearer = name === "bearer";
      parameters.clear();
    } else if (inBearer && !parameters.has(name)) {
      parameters.set(name, value);
    }
  }
  const realm = parameters.get("realm");
  if (realm === undefined) return undefined;
  return { realm, service: parameters.get("service"), scope: parameters.get("scope") };
}

async function anonymousToken(
  challenge: BearerChallenge,
  url: URL,
  { address: { repository }, name, signal }: Question,
): Promise<string> {
  const refused = (why: string) => new Failure("bad-answer", `GET ${shownUrl(url)}: status 401: ${why}`);
  const realm = URL.parse(challenge.realm);
  if (realm === null) throw refused(`its token realm "${excerpt(challenge.realm)}" is no URL`);
  const wrong = unsafe(realm, url);
  if (wrong !== undefined) throw refused(`wants a token of "${shownUrl(realm)}", ${wrong}`);
  if (challenge.service !== undefined) realm.searchParams.set("service", challenge.service);
  realm.searchParams.set("scope", challenge.scope ?? `repository:${repository}:pull`);

  const headers = { accept: "application/json" };
  const answer = await sendHttp({ method: "GET", url: realm, headers, maxBytes: MAX_TOKEN_BYTES, signal });
  requireSuccess(realm, answer, name);
  const token = tokenOf(answer.bytes);
  // The answer is not shown: whatever it is, it may hold a token.
  if (token === undefined) throw new Failure("bad-answer", `${said(realm, answer)}: the answer has no token`);
  return token;
}

function tokenOf(bytes: Buffer): string | undefined {
  const answer = fieldsIn(bytes);
  const token = answer["token"] || answer["access_token"];
  // Only what may stand in a header; 8 KiB is what servers accept there.
  return typeof token === "string" && /^[\x21-\x7e]{1,8192}$/.test(token) ? token : undefined;
}

/** Why this URL is not asked: https anywhere; plain http only to the very host that may be asked so; credentials never. */
function unsafe(url: URL, start: URL): string | undefined {
  if (url.username !== "" || url.password !== "") return "which is not asked: it has credentials in it";
  const isSecure = url.protocol === "https:" || (start.protocol === "http:" && url.origin === start.origin);
  return isSecure ? undefined : "which is not asked: it is not https";
}

/** Throws Failure for an answer of another status than 200. */
function requireSuccess(from: URL, answer: HttpAnswer, name: string): void {
  const { status, bytes } = answer;
  if (status === 200) return;
  if (status === 401 || status === 403) {
    throw new Failure(
      "needs-credentials",
      `${said(from, answer)}: ${name} does not exist or needs credentials; only what everybody can pull is looked at`,
    );
  }
  const why = status === 429 ? "too many requests from this address; try again later" : `"${excerpt(bytes)}"`;
  throw new Failure(failureByStatus(status), `${said(from, answer)}: ${why}`);
}

function said(from: URL, { status }: HttpAnswer): string {
  return `GET ${shownUrl(from)}: status ${status}`;
}

// SPDX-License-Identifier: Apache-2.0
import { type Digest, DigestError, parseDigest } from "../image/digest.ts";
import { canonicalReference, ImageReferenceError, isTag, parseReference } from "../image/reference.ts";
import { canonicalRegistry } from "../image/registry.ts";
import { excerpt } from "../log/excerpt.ts";
import { ProxyError } from "./error.ts";

/** A repository of another registry, by its canonical name. */
export interface AskedRepository {
  readonly registry: string;
  readonly repository: string;
}

/** What a client asks for. */
export type Asked = AskedRepository &
  (
    | { readonly kind: "tag"; readonly tag: string }
    | { readonly kind: "manifest"; readonly digest: Digest }
    | { readonly kind: "blob"; readonly digest: Digest }
    /** The proof of the record of a tag. */
    | { readonly kind: "bundle"; readonly tag: string }
  );

/** Where the proxy serves bundles. */
export const BUNDLES = "/tlog/bundles/";

const MAX_PATH = 700;
/** What a name, a tag and a digest are made of. An encoded character could be read in two ways, and none needs to be encoded. */
const PATH = /^\/[\w./:-]+$/;
const ROUTE = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/;
const BUNDLE = /^\/tlog\/bundles\/(.+)\/([^/]+)$/;

/**
 * Reads the path and the query of a request to the distribution API, as they were sent: `/v2/alpine/manifests/3.16.0`,
 * `/v2/ghcr.io/distroless/static/manifests/latest`, `/v2/library/alpine/blobs/sha256:…?ns=docker.io`. Undefined for a path of another
 * form. Throws ProxyError.
 */
export function readAsked(target: string): Asked | undefined {
  const [path = "", query = ""] = target.split("?", 2);
  if (!path.startsWith("/v2/") && !path.startsWith(BUNDLES)) return undefined;
  if (path.length > MAX_PATH || !PATH.test(path))
    throw invalid(`"${excerpt(path, 160)}" is not the path of anything in a registry`);
  const [, name = "", kind = "", last = ""] = ROUTE.exec(path) ?? [];
  if (kind === "") {
    const [, named = "", tag = ""] = BUNDLE.exec(path) ?? [];
    return named === "" ? undefined : { ...readRepository(named, query), kind: "bundle", tag: readTag(tag) };
  }
  const repository = readRepository(name, query);
  if (kind === "blobs") return { ...repository, kind: "blob", digest: readDigest(last) };
  return last.includes(":")
    ? { ...repository, kind: "manifest", digest: readDigest(last) }
    : { ...repository, kind: "tag", tag: readTag(last) };
}

/** The repository that a name means, as Docker reads names; within one registry when `ns` says which. */
function readRepository(name: string, query: string): AskedRepository {
  const namespace = new URLSearchParams(query).get("ns") ?? undefined;
  const full = namespace === undefined ? name : `${namespace}/${name}`;
  try {
    // Docker reads a host in capitals as one; nobody needs to write it so, and a repository has none.
    if (full.toLowerCase() !== full) throw invalid(`"${excerpt(full, 160)}" is not in lower case`);
    const { registry, repository, tag, digest } = parseReference(`${full}:x`);
    if (tag !== "x" || digest !== undefined)
      throw invalid(`"${excerpt(full, 160)}" is not a repository's name`);
    if (namespace !== undefined && !isHost(namespace, registry))
      throw invalid(`"ns" is "${excerpt(namespace, 160)}", which is not a registry's host`);
    const { registry: host, repository: path } = canonicalReference({ registry, repository });
    return { registry: host, repository: path };
  } catch (error) {
    if (error instanceof ImageReferenceError)
      throw invalid(error.message.replace(/^read image reference .*?": /, ""));
    throw error;
  }
}

/** Whether `ns` names this registry, and nothing besides. */
function isHost(namespace: string, registry: string): boolean {
  return !namespace.includes("/") && canonicalRegistry(registry) === canonicalRegistry(namespace);
}

function readTag(text: string): string {
  if (isTag(text)) return text;
  throw new ProxyError("TAG_INVALID", `"${excerpt(text, 160)}" is not a tag of at most 128 characters`);
}

function readDigest(text: string): Digest {
  try {
    return parseDigest(text);
  } catch (error) {
    if (!(error instanceof DigestError)) throw error;
    throw new ProxyError("DIGEST_INVALID", error.message);
  }
}

function invalid(why: string): ProxyError {
  return new ProxyError("NAME_INVALID", why);
}

// SPDX-License-Identifier: Apache-2.0
import { type Digest, parseDigest } from "./digest.ts";
import { canonicalRegistry, DOCKER_HUB } from "./registry.ts";

/**
 * The full name of an image, normalized as Docker does it. Tag and digest are both kept when both were
 * written; one of them is always there when the reference was read by `parseReference`.
 */
export interface Reference {
  /** Host and port as in `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly registry: string;
  /** The path within the registry, as in `library/alpine`. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

export type ImageReferenceErrorCode =
  | "empty"
  | "too-long"
  | "image-id"
  | "bad-registry"
  | "bad-repository"
  | "bad-tag"
  | "bad-digest"
  | "no-tag";

/** Text that names no image, or a reference without the tag that was asked for. */
export class ImageReferenceError extends Error {
  override readonly name = "ImageReferenceError";
  readonly code: ImageReferenceErrorCode;

  constructor(code: ImageReferenceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The name that Docker Hub had when it was the Docker Index; still accepted, never written. */
const LEGACY_REGISTRY = "index.docker.io";
const OFFICIAL = "library/";
const DEFAULT_TAG = "latest";

const MAX_REGISTRY = 255;
const MAX_REPOSITORY = 255;
const MAX_TAG = 128;
/** Registry, repository, tag and the longest digest, with their separators. */
const MAX_REFERENCE = MAX_REGISTRY + MAX_REPOSITORY + MAX_TAG + 140;

// The grammar of the `distribution/reference` package, which Docker and BuildKit use. A reference that one of
// them reads and we do not would be an image that we cannot judge, and the other way round.
const LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const HOST = `(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const COMPONENT = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
// That grammar reads `my_registry.example/app` as a path without a host, and the host is asked all the same.
const REGISTRY = new RegExp(`^(?:${HOST}|${COMPONENT})$`);
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^\w[\w.-]{0,127}$/;
const IMAGE_ID = /^[a-f0-9]{64}$/;

/** Whether a registry may have a tag of this name. */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

function quote(text: string): string {
  return JSON.stringify(text.length > 160 ? `${text.slice(0, 160)}…` : text);
}

/** Whether the part before the first slash is a registry rather than the first part of a Docker Hub path. */
function isRegistry(part: string): boolean {
  return part === "localhost" || /[.:]/.test(part) || part.toLowerCase() !== part;
}

function splitRegistry(name: string): { registry: string; path: string } {
  const slash = name.indexOf("/");
  const first = name.slice(0, Math.max(slash, 0));
  if (slash < 0 || !isRegistry(first)) return { registry: DOCKER_HUB, path: name };
  return { registry: first === LEGACY_REGISTRY ? DOCKER_HUB : first, path: name.slice(slash + 1) };
}

function readDigest(text: string, whole: string): Digest {
  try {
    return parseDigest(text);
  } catch (cause) {
    throw new ImageReferenceError(
      "bad-digest",
      `read image reference ${quote(whole)}: what follows "@" is not a digest`,
      { cause },
    );
  }
}

/**
 * Reads an image reference as a person writes it in a Dockerfile: `alpine` is `docker.io/library/alpine:latest`,
 * `name@digest` has no tag. The case of a registry's name is kept, as Docker keeps it. Throws ImageReferenceError.
 */
export function parseReference(text: string): Reference {
  const fail = (code: ImageReferenceErrorCode, why: string): never => {
    throw new ImageReferenceError(code, `read image reference ${quote(text)}: ${why}`);
  };
  if (text === "") fail("empty", "it is empty");
  if (text.length > MAX_REFERENCE) fail("too-long", `it is longer than ${MAX_REFERENCE} characters`);
  if (IMAGE_ID.test(text)) fail("image-id", "64 hex digits are an image's id, not a name");

  const at = text.indexOf("@");
  const named = at < 0 ? text : text.slice(0, at);
  const { registry, path } = splitRegistry(named);
  const colon = path.indexOf(":");
  const short = colon < 0 ? path : path.slice(0, colon);
  const repository = registry === DOCKER_HUB && !short.includes("/") ? OFFICIAL + short : short;

  if (registry.length > MAX_REGISTRY) {
    fail("too-long", `the registry's name is longer than ${MAX_REGISTRY} characters`);
  }
  if (!REGISTRY.test(registry))
    fail("bad-registry", `${quote(registry)} is not a host with an optional port`);
  if (repository.toLowerCase() !== repository) fail("bad-repository", "the repository must be lower case");
  if (!REPOSITORY.test(repository)) fail("bad-repository", `${quote(short)} is not a repository's name`);
  if (repository.length > MAX_REPOSITORY) {
    fail("too-long", `the repository's name is longer than ${MAX_REPOSITORY} characters`);
  }
  if (colon >= 0 && !TAG.test(path.slice(colon + 1))) {
    fail("bad-tag", `${quote(path.slice(colon + 1))} is not a tag of at most ${MAX_TAG} characters`);
  }

  const name = { registry, repository };
  const tag = colon < 0 ? {} : { tag: path.slice(colon + 1) };
  if (at >= 0) return { ...name, ...tag, digest: readDigest(text.slice(at + 1), text) };
  return { ...name, tag: DEFAULT_TAG, ...tag };
}

function suffix({ tag, digest }: Reference): string {
  return (tag === undefined ? "" : `:${tag}`) + (digest === undefined ? "" : `@${digest}`);
}

/** The text of a reference with its registry as it was written: `registry/repository[:tag][@digest]`. */
export function formatReference(reference: Reference): string {
  return `${reference.registry}/${reference.repository}${suffix(reference)}`;
}

/**
 * The reference by the one name of its registry: `REGISTRY-1.docker.io:443/library/alpine:3` is
 * `docker.io/library/alpine:3`. What is said of one of them holds for the other.
 */
export function canonicalReference(reference: Reference): Reference {
  const registry = canonicalRegistry(reference.registry);
  const { repository } = reference;
  const isShort = registry === DOCKER_HUB && !repository.includes("/");
  return { ...reference, registry, repository: isShort ? OFFICIAL + repository : repository };
}

/**
 * The canonical name of the tag, without a digest: what records, approvals and lock files call it. Throws ImageReferenceError
 * ("no-tag") when there is no tag.
 */
export function taggedName(reference: Reference): string {
  const { registry, repository, tag } = canonicalReference(reference);
  if (tag === undefined) {
    throw new ImageReferenceError(
      "no-tag",
      `name the tag of ${quote(formatReference(reference))}: it has none`,
    );
  }
  return `${registry}/${repository}:${tag}`;
}

/**
 * The short name: without Docker Hub's host and `library/`, with tag and digest, and without a `:latest` at
 * its end. This is the text by which BuildKit looks for a named context (`context:<name>`).
 */
export function familiarName(reference: Reference): string {
  const { registry, repository } = reference;
  const official = repository.startsWith(OFFICIAL) && !repository.slice(OFFICIAL.length).includes("/");
  const path = official ? repository.slice(OFFICIAL.length) : repository;
  const name = registry === DOCKER_HUB ? path : `${registry}/${repository}`;
  return (name + suffix(reference)).replace(/:latest$/, "");
}

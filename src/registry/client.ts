// SPDX-License-Identifier: Apache-2.0
import type { Readable } from "node:stream";
import { MAX_MANIFEST_BYTES } from "../courier/protocol.ts";
import { mediaTypeOf, shownUrl } from "../courier/server/http.ts";
import {
  MANIFEST_TYPES,
  registryUrl,
  urlIn,
  type RepositoryAddress,
} from "../courier/server/registry-url.ts";
import { type Digest, DigestError, hasDigest, parseDigest, sha256 } from "../image/digest.ts";
import { canonicalReference } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import { type Access, Authorization, type AuthorizedAnswer, unexpectedStatus } from "./authorization.ts";
import type { Credentials } from "./credentials.ts";
import { asRegistryError, RegistryError } from "./error.ts";
import { type Call, type CallRequest, Host, type HostOptions } from "./host.ts";
import { nextPage, tagsIn } from "./tag-page.ts";

/** A repository of a registry, as in a reference: `docker.io` and `library/alpine`. */
export interface RepositoryName {
  readonly registry: string;
  readonly repository: string;
}

/** When to stop waiting. */
export interface Until {
  readonly signal: AbortSignal;
}

/** What a tag or digest leads to. */
export interface NamedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
}

/** A manifest or index, byte for byte. */
export interface ManifestContent {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

/** Where a blob is: on another host, to which the registry leads; or here, whole or in part, whose bytes come as they are read. */
export type OpenedBlob =
  | { readonly kind: "elsewhere"; readonly url: URL }
  | {
      readonly kind: "here";
      /** 200, 206, or 416 for a range that it does not have. */
      readonly status: 200 | 206 | 416;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: Readable;
    };

/**
 * Registries by the distribution specification. It carries bytes and checks their digests; what they mean is not its business. All
 * throw RegistryError. Docker Hub is asked by whatever name it is called.
 */
export interface Registry {
  /**
   * The tags of a repository in pages, as the registry makes them. Throws `too-large` after `max` tags when there are more, and
   * `not-found` when there is no such repository.
   */
  tags(
    repository: RepositoryName,
    options: Until & { readonly max: number },
  ): AsyncIterable<readonly string[]>;
  /** What a tag or digest leads to, without its bytes, which counts against nobody's limit; undefined when it is not there. */
  head(repository: RepositoryName, tagOrDigest: string, until: Until): Promise<NamedManifest | undefined>;
  /** The exact bytes, of the digest that was asked for or that the registry says; undefined when it is not there. */
  manifest(
    repository: RepositoryName,
    tagOrDigest: string,
    until: Until,
  ): Promise<(NamedManifest & ManifestContent) | undefined>;
  /** The exact bytes, of at most `maxBytes`; undefined when it is not there. */
  blob(
    repository: RepositoryName,
    digest: Digest,
    options: Until & { readonly maxBytes: number },
  ): Promise<Uint8Array | undefined>;
  /**
   * The way to a blob of any size: where it is, or its bytes as they come, which nobody has compared with the digest. The signal ends
   * the bytes too. Undefined when it is not there. `range` is the header's value.
   */
  openBlob(
    repository: RepositoryName,
    digest: Digest,
    options: Until & { readonly method: "GET" | "HEAD"; readonly range?: string | undefined },
  ): Promise<OpenedBlob | undefined>;
  /** Uploads it in one piece, unless it is there. */
  pushBlob(repository: RepositoryName, bytes: Uint8Array, until: Until): Promise<Digest>;
  /** Under a tag, or under its own digest. What it names must be there already. */
  pushManifest(
    repository: RepositoryName,
    tagOrDigest: string,
    content: ManifestContent,
    until: Until,
  ): Promise<Digest>;
}

export interface RegistryOptions extends HostOptions {
  readonly credentials: Credentials;
  /** Whether a registry (`localhost:5000`) is asked over http instead of https. */
  readonly plainHttp: (registry: string) => boolean;
}

const PAGE_TAGS = 1000;
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
/** Error texts are read, and no more. */
const MAX_REPLY_BYTES = 64 * 1024;
/** The most pages that so many tags come in: no registry makes them smaller than ten tags, but some are empty. */
const maxPages = (tags: number) => 20 + Math.ceil(tags / 10);

/** Opens registries; each is connected to when it is first asked. */
export function openRegistry(options: RegistryOptions): Registry & { close(): void } {
  return new Registries(options);
}

/** One thing of a repository, to which a request is sent. */
interface Target {
  readonly url: URL;
  /** How messages name it: `"docker.io/library/alpine:3.16.0"`. */
  readonly name: string;
  readonly address: RepositoryAddress;
  readonly peer: Peer;
}

interface Peer {
  readonly host: Host;
  readonly authorization: Authorization;
}

class Registries implements Registry {
  readonly #options: RegistryOptions;
  readonly #peers = new Map<string, Peer>();

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  close(): void {
    for (const { host } of this.#peers.values()) host.close();
    this.#peers.clear();
  }

  async *tags(
    repository: RepositoryName,
    { signal, max }: Until & { readonly max: number },
  ): AsyncIterable<readonly string[]> {
    const target = this.#target(repository, "tags/list", "tags");
    const first = new URL(target.url);
    first.searchParams.set("n", String(PAGE_TAGS));
    const wrong = (code: "too-large" | "bad-answer", why: string) =>
      new RegistryError(code, `GET ${shownUrl(first)}: ${target.name}: ${why}`);
    let left = max;
    let pages = 0;
    for (let url: URL | undefined = first; url !== undefined;) {
      const page = await this.#page(target, url, signal);
      const tags = page.tags.slice(0, left);
      if (tags.length > 0) yield tags;
      left -= tags.length;
      if (tags.length < page.tags.length || (left === 0 && page.next !== undefined))
        throw wrong("too-large", `there are more than ${max} tags`);
      if (page.next !== undefined && (page.next.href === url.href || ++pages === maxPages(max)))
        throw wrong("bad-answer", "its pages do not come to an end");
      url = page.next;
    }
  }

  async head(
    repository: RepositoryName,
    tagOrDigest: string,
    { signal }: Until,
  ): Promise<NamedManifest | undefined> {
    const target = this.#manifestTarget(repository, tagOrDigest);
    const headers = { accept: MANIFEST_TYPES.join(", ") };
    const answered = await this.#pull(target, signal, { method: "HEAD", maxBytes: MAX_REPLY_BYTES, headers });
    const { answer } = answered;
    if (isMissing(answered)) return undefined;
    // Not every registry takes HEAD, or says the digest.
    const named = answer.headers["docker-content-digest"];
    if (answer.status === 405 || (answer.status === 200 && named === undefined)) {
      const whole = await this.manifest(repository, tagOrDigest, { signal });
      return whole && { digest: whole.digest, mediaType: whole.mediaType };
    }
    if (answer.status !== 200) throw unexpected(answered, target);
    const digest = saidDigest(answered, target) as Digest;
    if (tagOrDigest.includes(":") && digest !== tagOrDigest)
      throw badAnswer(answered, `its digest "${digest}" is not the one that was asked for`);
    return { digest, mediaType: manifestType(answered, target) };
  }

  async manifest(
    repository: RepositoryName,
    tagOrDigest: string,
    { signal }: Until,
  ): Promise<(NamedManifest & ManifestContent) | undefined> {
    const target = this.#manifestTarget(repository, tagOrDigest);
    const headers = { accept: MANIFEST_TYPES.join(", ") };
    return this.#call(target, signal, async (call) => {
      const answered = await this.#ask(call, target, {
        method: "GET",
        maxBytes: MAX_MANIFEST_BYTES,
        headers,
      });
      const { bytes, status } = answered.answer;
      if (isMissing(answered)) return undefined;
      if (status !== 200) throw unexpected(answered, target);
      const said = saidDigest(answered, target);
      const digest = tagOrDigest.includes(":") ? parseDigest(tagOrDigest) : (said ?? sha256(bytes));
      for (const each of [digest, said ?? digest]) {
        if (!hasDigest(bytes, each))
          throw badAnswer(answered, `the ${bytes.length} bytes of ${target.name} are not "${each}"`);
      }
      return { bytes, digest, mediaType: manifestType(answered, target) };
    });
  }

  async blob(
    repository: RepositoryName,
    digest: Digest,
    { signal, maxBytes }: Until & { readonly maxBytes: number },
  ): Promise<Uint8Array | undefined> {
    const target = this.#target(repository, `blobs/${digest}`, "blob");
    const answered = await this.#pull(target, signal, { method: "GET", maxBytes });
    const { bytes, status } = answered.answer;
    if (isMissing(answered)) return undefined;
    if (status !== 200) throw unexpected(answered, target);
    if (!hasDigest(bytes, digest))
      throw badAnswer(answered, `the ${bytes.length} bytes of ${target.name} are not "${digest}"`);
    return bytes;
  }

  async openBlob(
    repository: RepositoryName,
    digest: Digest,
    {
      signal,
      method,
      range,
    }: Until & { readonly method: "GET" | "HEAD"; readonly range?: string | undefined },
  ): Promise<OpenedBlob | undefined> {
    const target = this.#target(repository, `blobs/${digest}`, "blob");
    return this.#call(target, signal, async (call) => {
      const { peer, url, address } = target;
      const headers = range === undefined ? {} : { range };
      const access = { repository: address.repository, actions: "pull" } as const;
      const request = { method, url, maxBytes: 0, headers };
      const { answer, next, ...opened } = await peer.authorization.open(call, request, access);
      if (next !== undefined) return { kind: "elsewhere", url: next };
      const { status, body } = answer;
      if (status === 200 || status === 206 || status === 416)
        return { kind: "here", status, headers: answer.headers, body };
      body.destroy();
      const said = { ...opened, answer: { status, headers: answer.headers, bytes: Buffer.of() } };
      if (isMissing(said)) return undefined;
      throw unexpected(said, target);
    });
  }

  async pushBlob(repository: RepositoryName, bytes: Uint8Array, { signal }: Until): Promise<Digest> {
    const digest = sha256(bytes);
    const blob = this.#target(repository, `blobs/${digest}`, "blob");
    const uploads = this.#target(repository, "blobs/uploads/", "upload");
    return this.#call(blob, signal, async (call) => {
      const ask = (target: Target, request: Omit<CallRequest, "maxBytes">) =>
        this.#ask(call, target, { maxBytes: MAX_REPLY_BYTES, ...request }, "pull,push");
      const there = await ask(blob, { method: "HEAD", url: blob.url });
      if (there.answer.status === 200) return digest;
      // Storage to which it leads may not take the method; an upload too many does no harm.
      if (there.isOwn && there.answer.status !== 404 && there.answer.status !== 405)
        throw unexpected(there, blob);

      const begun = await ask(uploads, { method: "POST", url: uploads.url, body: "" });
      if (begun.answer.status !== 202) throw unexpected(begun, uploads);
      const url = uploadUrl(begun, blob);
      url.search += `${url.search === "" ? "?" : "&"}digest=${encodeURIComponent(digest)}`;
      const headers = { "content-type": "application/octet-stream" };
      const done = await ask(blob, { method: "PUT", url, headers, body: bytes });
      if (done.answer.status !== 201) throw unexpected(done, blob);
      requireSameDigest(done, blob, digest);
      return digest;
    });
  }

  async pushManifest(
    repository: RepositoryName,
    tagOrDigest: string,
    { bytes, mediaType }: ManifestContent,
    { signal }: Until,
  ): Promise<Digest> {
    const target = this.#manifestTarget(repository, tagOrDigest);
    const refused = (code: "too-large" | "refused", why: string) =>
      new RegistryError(code, `${target.name} is not pushed: ${why}`);
    if (bytes.length > MAX_MANIFEST_BYTES)
      throw refused("too-large", `registries take manifests of at most ${MAX_MANIFEST_BYTES} bytes`);
    const digest = tagOrDigest.includes(":") ? parseDigest(tagOrDigest) : sha256(bytes);
    if (!hasDigest(bytes, digest)) throw refused("refused", "the bytes are not those of this digest");
    return this.#call(target, signal, async (call) => {
      const headers = { "content-type": mediaType };
      const request = { method: "PUT", maxBytes: MAX_REPLY_BYTES, headers, body: bytes } as const;
      const answered = await this.#ask(call, target, request, "pull,push");
      if (answered.answer.status !== 201) throw unexpected(answered, target);
      requireSameDigest(answered, target, digest);
      return digest;
    });
  }

  #pull(
    target: Target,
    signal: AbortSignal,
    request: Omit<CallRequest, "url"> & { readonly url?: URL },
  ): Promise<AuthorizedAnswer> {
    return this.#call(target, signal, (call) => this.#ask(call, target, request));
  }

  async #page(
    target: Target,
    url: URL,
    signal: AbortSignal,
  ): Promise<{ readonly tags: readonly string[]; readonly next: URL | undefined }> {
    const headers = { accept: "application/json" };
    const answered = await this.#pull(target, signal, {
      method: "GET",
      url,
      maxBytes: MAX_PAGE_BYTES,
      headers,
    });
    if (answered.answer.status !== 200) throw unexpected(answered, target);
    const tags = tagsIn(answered.answer.bytes, (why) => badAnswer(answered, why));
    const link = nextPage(answered.answer.headers["link"] ?? "");
    const next = link === undefined ? undefined : URL.parse(link, answered.from.href);
    // The token is for nobody else.
    if (next === null || (next && next.origin !== target.url.origin))
      throw badAnswer(answered, "its next page is not on the registry");
    return { tags, next };
  }

  #call<T>({ peer, address }: Target, signal: AbortSignal, work: (call: Call) => Promise<T>): Promise<T> {
    return peer.host.call(address.repository, signal, work);
  }

  #ask(
    call: Call,
    { peer, url, address }: Target,
    request: Omit<CallRequest, "url"> & { readonly url?: URL },
    actions: Access["actions"] = "pull",
  ): Promise<AuthorizedAnswer> {
    const { repository } = address;
    return peer.authorization.ask(call, { url, ...request }, { repository, actions });
  }

  #manifestTarget(repository: RepositoryName, tagOrDigest: string): Target {
    return this.#target(repository, `manifests/${tagOrDigest}`);
  }

  /** `path` is below the repository's; `kind` is what it is when it is no tag or manifest. */
  #target(named: RepositoryName, path: string, kind?: "blob" | "upload" | "tags"): Target {
    const { plainHttp } = this.#options;
    const { registry, repository } = canonicalReference(named);
    const address = { registry, repository, plainHttp: plainHttp(registry) };
    const [, end = ""] = /\/(.*)$/s.exec(path) ?? [];
    const suffix = kind === "tags" || kind === "upload" ? "" : `${end.includes(":") ? "@" : ":"}${end}`;
    const name = `"${registry}/${repository}${suffix}"${kind === undefined ? "" : ` (${kind})`}`;
    try {
      // As it was written, too: a host's canonical name lacks what else there was.
      urlIn({ ...named, plainHttp: address.plainHttp }, { path, name });
      const url = urlIn(address, { path, name });
      return { url, name, address, peer: this.#peer(address) };
    } catch (error) {
      throw asRegistryError(error);
    }
  }

  #peer(address: RepositoryAddress): Peer {
    const { registry } = address;
    const known = this.#peers.get(registry);
    if (known !== undefined) return known;
    const start = registryUrl(address);
    const host = new Host(registry, start, this.#options);
    const { credentials } = this.#options;
    const peer = { host, authorization: new Authorization(registry, { host, start, credentials }) };
    this.#peers.set(registry, peer);
    return peer;
  }
}

/** The registry's own word counts; storage to which it led and that lacks something is in disorder. */
function isMissing({ answer, isOwn }: AuthorizedAnswer): boolean {
  return answer.status === 404 && isOwn;
}

function unexpected(answered: AuthorizedAnswer, { name, address }: Target): RegistryError {
  return unexpectedStatus(answered, { name, registry: address.registry });
}

function badAnswer({ answer, from, request }: AuthorizedAnswer, why: string): RegistryError {
  return new RegistryError(
    "bad-answer",
    `${request.method} ${shownUrl(from)}: status ${answer.status}: ${why}`,
  );
}

/** The digest that the registry says an answer has; undefined when it says none. */
function saidDigest(answered: AuthorizedAnswer, { name }: Target): Digest | undefined {
  const said = answered.answer.headers["docker-content-digest"];
  if (said === undefined) return undefined;
  try {
    return parseDigest(said);
  } catch (error) {
    if (!(error instanceof DigestError)) throw error;
    throw badAnswer(answered, `the digest of ${name} is "${excerpt(said, 160)}", which is none`);
  }
}

function requireSameDigest(answered: AuthorizedAnswer, target: Target, digest: Digest): void {
  const said = saidDigest(answered, target);
  if (said !== undefined && said.split(":")[0] === digest.split(":")[0] && said !== digest)
    throw badAnswer(answered, `${target.name} was taken as "${said}", and was pushed as "${digest}"`);
}

function manifestType(answered: AuthorizedAnswer, { name }: Target): string {
  const mediaType = mediaTypeOf(answered.answer);
  if (MANIFEST_TYPES.includes(mediaType)) return mediaType;
  throw badAnswer(
    answered,
    `the media type of ${name} is "${excerpt(mediaType)}", which is no image manifest or index`,
  );
}

/** Where an upload goes that the registry has begun. */
function uploadUrl(answered: AuthorizedAnswer, { peer, name }: Target): URL {
  const location = answered.answer.headers["location"];
  const url = location === undefined ? null : URL.parse(location, answered.from.href);
  if (url === null) throw badAnswer(answered, `it does not say where to upload ${name}`);
  const wrong = peer.host.reach.objection(url);
  if (wrong !== undefined)
    throw badAnswer(answered, `it wants ${name} uploaded to "${excerpt(url.host, 300)}", ${wrong}`);
  return url;
}

// SPDX-License-Identifier: Apache-2.0
import type { Digest } from "../image/digest.ts";
import { isPublicRegistry } from "../image/registry.ts";
import { allowsPlainHttp, type EffectivePolicy } from "../policy/policy.ts";
import { ManifestError, readManifest } from "../record/manifest.ts";
import { type OpenedBlob, openRegistry, type Registry } from "../registry/client.ts";
import { RegistryError } from "../registry/error.ts";
import type { CountedRequest } from "../registry/host.ts";
import type { AskedRepository } from "./asked.ts";
import { ofRegistry, ProxyError } from "./error.ts";

/** A manifest or index as its registry served it; the bytes have the digest. */
export interface UpstreamManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** The registries that images come from, asked without credentials. All but `close` throw ProxyError. */
export interface Upstreams {
  /** What a tag names now, by the registry's word. Undefined when it has no such tag. */
  named(where: AskedRepository & { readonly tag: string }, signal: AbortSignal): Promise<Digest | undefined>;
  /** The manifest of a digest; undefined when the registry does not have it. */
  manifest(
    where: AskedRepository & { readonly digest: Digest },
    signal: AbortSignal,
  ): Promise<UpstreamManifest | undefined>;
  /** The way to a blob; undefined when the registry does not have it. */
  blob(
    where: AskedRepository & { readonly digest: Digest },
    options: {
      readonly method: "GET" | "HEAD";
      readonly range?: string | undefined;
      readonly signal: AbortSignal;
    },
  ): Promise<OpenedBlob | undefined>;
  close(): void;
}

export interface UpstreamsOptions {
  readonly policy: () => Pick<EffectivePolicy, "registries" | "timeoutMs">;
  readonly now: () => Date;
  readonly onRequest?: (counted: CountedRequest) => void;
}

/** How many registries are connected to: clients name as many as they like. */
const MAX_REGISTRIES = 100;
const AT_ONCE = 64;
/** The manifests that are kept, by what they are: as many bytes of them. */
const MAX_KEPT_BYTES = 32 * 1024 * 1024;

/** A registry that was asked, and how much of it is under way: then it is not closed to make room for another one. */
interface Upstream {
  readonly registry: Registry & { close(): void };
  busy: number;
}

/** Opens registries, each when it is first asked. */
export function openUpstreams({ policy, now, onRequest }: UpstreamsOptions): Upstreams {
  const opened = new Map<string, Upstream>();
  const kept = keepManifests(MAX_KEPT_BYTES);
  const isNamed = (host: string) => policy().registries.some((each) => each.host === host);

  const upstreamOf = ({ registry: host }: AskedRepository): Upstream => {
    if (!isNamed(host) && !isPublicRegistry(host))
      throw new ProxyError(
        "DENIED",
        `the registry "${host}" is not of the public internet; whoever runs this proxy may name it under "registries" in the policy`,
      );
    const known = opened.get(host);
    if (known !== undefined) {
      opened.delete(host);
      opened.set(host, known);
      return known;
    }
    const idle = opened.size < MAX_REGISTRIES ? undefined : [...opened].find(([, { busy }]) => busy === 0);
    if (opened.size >= MAX_REGISTRIES && idle === undefined)
      throw new ProxyError("TOOMANYREQUESTS", `more than ${MAX_REGISTRIES} registries are asked at once`);
    if (idle !== undefined) {
      idle[1].registry.close();
      opened.delete(idle[0]);
    }
    const registry = openRegistry({
      // What a client sends is dropped before, and we have none.
      credentials: { of: async () => undefined },
      plainHttp: (of) => isNamed(of) && allowsPlainHttp(policy(), of),
      isPublicWanted: (of) => !isNamed(of),
      concurrency: AT_ONCE,
      requestMs: policy().timeoutMs,
      clock: () => now().getTime(),
      ...(onRequest && { onRequest }),
    });
    const upstream = { registry, busy: 0 };
    opened.set(host, upstream);
    return upstream;
  };
  const asking = async <T>(
    where: AskedRepository,
    ask: (registry: Registry, upstream: Upstream) => Promise<T>,
  ): Promise<T> => {
    const upstream = upstreamOf(where);
    upstream.busy++;
    try {
      return await ask(upstream.registry, upstream);
    } catch (error) {
      if (error instanceof RegistryError) throw ofRegistry(error);
      throw error;
    } finally {
      upstream.busy--;
    }
  };

  return {
    named: (where, signal) =>
      asking(where, async (registry) => (await registry.head(where, where.tag, { signal }))?.digest),
    async manifest(where, signal) {
      const name = `${where.registry}/${where.repository}@${where.digest}`;
      const known = kept.get(name);
      if (known !== undefined) return known;
      const served = await asking(where, (registry) => registry.manifest(where, where.digest, { signal }));
      if (served === undefined) return undefined;
      requireOneMeaning(served, name);
      kept.put(name, served);
      return served;
    },
    blob: (where, options) =>
      asking(where, async (registry, upstream) => {
        const blob = await registry.openBlob(where, where.digest, options);
        if (blob?.kind === "here") {
          upstream.busy++;
          blob.body.once("close", () => upstream.busy--);
        }
        return blob;
      }),
    close() {
      for (const { registry } of opened.values()) registry.close();
      opened.clear();
    },
  };
}

/** Throws ProxyError for bytes that are not what the registry calls them, or that two clients could take for two things. */
function requireOneMeaning({ bytes, mediaType }: UpstreamManifest, name: string): void {
  try {
    readManifest(bytes, mediaType);
  } catch (cause) {
    if (!(cause instanceof ManifestError)) throw cause;
    throw new ProxyError("UNKNOWN", `"${name}" is not served: ${cause.message}`, { cause });
  }
}

/** Manifests by their names, which have their digests in them: none of them ever becomes wrong. The oldest make room. */
function keepManifests(maxBytes: number): {
  get(name: string): UpstreamManifest | undefined;
  put(name: string, manifest: UpstreamManifest): void;
} {
  const kept = new Map<string, UpstreamManifest>();
  let bytes = 0;
  return {
    get(name) {
      const manifest = kept.get(name);
      if (manifest !== undefined) {
        kept.delete(name);
        kept.set(name, manifest);
      }
      return manifest;
    },
    put(name, manifest) {
      if (kept.has(name)) return;
      kept.set(name, manifest);
      bytes += manifest.bytes.length;
      for (const [oldest, { bytes: freed }] of kept) {
        if (bytes <= maxBytes) break;
        kept.delete(oldest);
        bytes -= freed.length;
      }
    },
  };
}

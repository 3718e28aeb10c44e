// SPDX-License-Identifier: Apache-2.0
import type { moby } from "../../gen/gateway.js";
import { formatReference, ImageReferenceError, parseReference, type Reference } from "../image/reference.ts";
import { GateError } from "./gate-error.ts";

/** A cache that a build takes results of steps from (`--cache-from`). */
export interface ImportedCache {
  /** BuildKit's name of the kind: `registry`, `local`, `gha`, `s3`, `azblob`. */
  readonly type: string;
  /** Of one in a registry: the image that holds the results. */
  readonly reference?: Reference;
}

/** Whether the policy lets results come from a cache. */
export type MayImport = (cache: ImportedCache) => Promise<boolean>;

/** How many there may be in one build. */
const MAX_CACHES = 64;

/**
 * The caches that a build imports: results that somebody else's build had, which no record of an image's tag speaks for. Each is
 * asked about once.
 */
export class ImportedCaches {
  readonly #mayImport: MayImport;
  readonly #passed = new Map<string, ImportedCache>();

  constructor(mayImport: MayImport) {
    this.#mayImport = mayImport;
  }

  /** Those that passed, in the order in which they were asked for. */
  get all(): readonly ImportedCache[] {
    return [...this.#passed.values()];
  }

  /** Throws GateError for a cache that the policy does not let in, and for an entry that cannot be read. */
  async pass(entries: readonly moby.buildkit.v1.frontend.CacheOptionsEntry.$Properties[]): Promise<void> {
    for (const entry of entries) {
      const cache = readEntry(entry);
      const name = cacheName(cache);
      if (this.#passed.has(name)) continue;
      if (this.#passed.size >= MAX_CACHES)
        throw new GateError(`the build imports more than ${MAX_CACHES} caches`);
      if (!(await this.#mayImport(cache)))
        throw new GateError(
          `the build imports results from the cache ${JSON.stringify(name)}, and the policy does not let results come from there; leave "--cache-from" out, or name the cache under "cache-from" in the policy`,
        );
      this.#passed.set(name, cache);
    }
  }
}

/** As people name it: `ghcr.io/acme/cache:main`, or `type=gha`. */
export function cacheName({ type, reference }: ImportedCache): string {
  return reference === undefined ? `type=${type}` : formatReference(reference);
}

/**
 * The caches that the options of a build name (`cache-imports`, BuildKit's Dockerfile frontend), whether it came to ask for them or
 * not. Those that cannot be read are left out: the conversion says what is wrong with them.
 */
export function namedCaches(options: Readonly<Record<string, string>>): ImportedCache[] {
  let entries: unknown;
  try {
    entries = JSON.parse(options["cache-imports"] ?? "[]");
  } catch {
    return [];
  }
  if (!Array.isArray(entries)) return [];
  return entries.slice(0, MAX_CACHES).flatMap((entry: unknown) => {
    const { Type: type, Attrs: attributes } = fieldsIn(entry);
    const { ref } = fieldsIn(attributes);
    if (typeof type !== "string") return [];
    try {
      return [readEntry({ Type: type, Attrs: typeof ref === "string" ? { ref } : {} })];
    } catch (error) {
      if (!(error instanceof GateError)) throw error;
      return [];
    }
  });
}

function fieldsIn(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function readEntry({ Type, Attrs }: moby.buildkit.v1.frontend.CacheOptionsEntry.$Properties): ImportedCache {
  const type = Type ?? "";
  if (type !== "registry") return { type };
  const text = Attrs?.["ref"] ?? "";
  try {
    return { type, reference: parseReference(text) };
  } catch (cause) {
    if (!(cause instanceof ImageReferenceError)) throw cause;
    throw new GateError(`the build imports a cache whose name is no image reference: ${cause.message}`, {
      cause,
    });
  }
}

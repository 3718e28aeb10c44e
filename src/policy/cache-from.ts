// SPDX-License-Identifier: Apache-2.0
import type { Reference } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import { type FileReading, listed, text as words } from "./key.ts";
import { covers, matches, parsePattern, type Pattern } from "./pattern.ts";
import { quotedList, suggestion, WrongValue } from "./policy-error.ts";
import type { Profile } from "./rule.ts";

/** An entry of `cache-from`. */
export const CACHE_SOURCE = words(
  "a pattern over the repositories of caches, as in `ghcr.io/acme/**`, or `type=gha`, `type=local`, `type=s3`, `type=azblob`",
);

/** Where results of steps may be imported from: the repositories of a pattern, or all that is of a type. */
export interface CacheSource {
  /** As it was written; a type is `type=gha`. */
  readonly text: string;
  readonly pattern?: Pattern;
}

/** The types of caches that are in no registry, as BuildKit names them. */
const TYPES = ["gha", "local", "s3", "azblob"].map((type) => `type=${type}`);

/** Reads the entries of `cache-from`. */
export function readCacheSources(
  entries: readonly string[],
  { at, attempt }: FileReading,
): readonly CacheSource[] {
  return entries.flatMap((entry, index) => attempt([...at, index], () => readCacheSource(entry)) ?? []);
}

function readCacheSource(text: string): CacheSource {
  if (!text.includes("=")) return { text, pattern: parsePattern(text) };
  if (TYPES.includes(text)) return { text };
  throw new WrongValue(
    `"${excerpt(text)}" is not ${quotedList(TYPES)}${suggestion(text, TYPES)}; a cache in a registry is named by its repository`,
  );
}

/** Why the floor refuses these sources: each must be one of the floor's, or be covered by one. */
export function cacheObjection(
  above: readonly CacheSource[],
  floor: readonly CacheSource[] = [],
): string | undefined {
  const other = above.find((each) => !floor.some((outer) => coversSource(outer, each)));
  if (other === undefined) return undefined;
  return floor.length === 0
    ? `"${other.text}" is a cache, and none is allowed`
    : `"${other.text}" is not among the caches ${listed(floor.map(({ text }) => text))}`;
}

function coversSource(outer: CacheSource, inner: CacheSource): boolean {
  if (outer.pattern === undefined || inner.pattern === undefined) return outer.text === inner.text;
  return covers(outer.pattern, inner.pattern);
}

/** Whether results of steps may be imported from a cache. `type` is BuildKit's; the reference is that of one in a registry. */
export function mayImport(
  { cacheFrom, profile }: { readonly cacheFrom?: readonly CacheSource[]; readonly profile: Profile },
  { type, reference }: { readonly type: string; readonly reference?: Reference },
): boolean {
  if (cacheFrom === undefined) return profile !== "strict";
  return cacheFrom.some(({ text, pattern }) =>
    reference === undefined ? text === `type=${type}` : pattern !== undefined && matches(pattern, reference),
  );
}

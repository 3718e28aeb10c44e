// SPDX-License-Identifier: Apache-2.0
import { isTag } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import { WrongValue } from "../policy/policy-error.ts";
import { matchesWhole } from "../record/wildcards.ts";
import { compareVersions, isWholeVersion, type TagVersion, tagVersion, versionKey } from "./version.ts";

/** Which tags of a repository are watched. */
export interface TagChoice {
  /** Tags that are written out: always watched, whatever else is said. */
  readonly exact: readonly string[];
  /** Patterns over the others; `["*"]` is every tag. */
  readonly patterns: readonly string[];
  readonly newerThan?: TagVersion;
  readonly newest?: number;
  readonly except: readonly string[];
}

/** What was selected, of a listing or without one. */
export interface TagSelection {
  /** Each once: the exact ones as written, then the newest version first, or in the listing's order where no `newest` is. */
  readonly tags: readonly string[];
  /** How many names were listed. */
  readonly listed: number;
  /** How many of them cannot be tags, and were dropped. */
  readonly notTags: number;
}

/** A listing, or a choice of it, that is larger than one observer can watch. */
export class TagSelectionError extends Error {
  override readonly name = "TagSelectionError";
}

const MAX_LISTED = 1_000_000;
const MAX_SELECTED = 100_000;
const WILD = /[*?]/;

/** Reads the choice of an entry of `watch`. Throws WrongValue. */
export function readTagChoice({
  tags = ["*"],
  "newer-than": newerThan,
  newest,
  except = [],
}: {
  readonly tags?: readonly string[] | undefined;
  readonly "newer-than"?: string | undefined;
  readonly newest?: number | undefined;
  readonly except?: readonly string[] | undefined;
}): TagChoice {
  for (const each of [...tags, ...except]) {
    // A wildcard stands for at least one character that a tag may have.
    if (!isTag(each.replaceAll(/[*?]/g, "0")))
      throw new WrongValue(`"${excerpt(each)}" is no tag, and no pattern with "*" and "?" that matches one`);
  }
  const exact = [...new Set(tags.filter((tag) => !WILD.test(tag)))];
  const patterns = [...new Set(tags.filter((tag) => WILD.test(tag)))];
  const clash = exact.find((tag) => matchesAny(except, tag));
  if (clash !== undefined)
    throw new WrongValue(`"${clash}" is written out in "tags", and "except" matches it; take it out of one`);
  if (patterns.length === 0) {
    const idle = Object.entries({ "newer-than": newerThan, newest, except: except[0] }).find(
      ([, value]) => value !== undefined,
    );
    if (idle !== undefined)
      throw new WrongValue(
        `"${idle[0]}" chooses among the tags that a pattern matches, and "tags" has no pattern`,
      );
  }
  const floor = newerThan === undefined ? undefined : tagVersion(newerThan);
  if (newerThan !== undefined && (floor === undefined || !isTag(newerThan) || !isWholeVersion(newerThan)))
    throw new WrongValue(
      `"newer-than": "${excerpt(newerThan)}" is no version of one to four numbers, as in "3.14" or "v1.2.3-rc1"`,
    );
  return {
    exact,
    patterns,
    ...(floor && { newerThan: floor }),
    ...(newest !== undefined && { newest }),
    except,
  };
}

/** Whether the repository has to be asked for a list of its tags. */
export function needsListing({ patterns }: TagChoice): boolean {
  return patterns.length > 0;
}

/**
 * Selects tags. `pages` are those of the repository's listing, of any length; they are not read when the choice needs
 * no listing. With `newest`, memory grows with what is selected and not with what is listed. Throws TagSelectionError,
 * and what `pages` throws.
 */
export async function selectTags(
  choice: TagChoice,
  pages: AsyncIterable<readonly string[]>,
): Promise<TagSelection> {
  const { exact } = choice;
  if (!needsListing(choice)) return { tags: exact, listed: 0, notTags: 0 };
  const isExact = new Set(exact);
  const selected = choice.newest === undefined ? new AllTags() : new NewestTags(choice.newest);
  let listed = 0;
  let notTags = 0;
  for await (const page of pages) {
    for (const tag of page) {
      if (++listed > MAX_LISTED)
        throw new TagSelectionError(
          `its list has more than ${MAX_LISTED} tags; name the tags to watch one by one, without patterns`,
        );
      if (!isTag(tag)) notTags++;
      else if (!isExact.has(tag) && isChosen(choice, tag)) selected.add(tag);
    }
  }
  return { tags: [...exact, ...selected.tags()], listed, notTags };
}

/** Whether patterns choose this tag of a listing, were it not for how many are. */
export function isChosen({ patterns, except, newerThan }: TagChoice, tag: string): boolean {
  if (!matchesAny(patterns, tag) || matchesAny(except, tag)) return false;
  if (newerThan === undefined) return true;
  const version = tagVersion(tag);
  return version !== undefined && compareVersions(version, newerThan) > 0;
}

class AllTags {
  readonly #tags = new Set<string>();

  add(tag: string): void {
    this.#tags.add(tag);
    throwTooMany(this.#tags.size);
  }

  tags(): Iterable<string> {
    return this.#tags;
  }
}

/** A version, with its tags in all variants. */
interface Kept {
  readonly version: TagVersion;
  readonly tags: Set<string>;
}

/**
 * The newest versions. They are counted apart for each number of numbers, so that the dates and the short versions of
 * a repository (`20240329`, `3`, `3.20`) take no place from its full ones (`3.20.1`), nor the other way round.
 */
class NewestTags {
  readonly #most: number;
  readonly #byLength = new Map<number, Map<string, Kept>>();
  /** Of versions that are surely not among the newest any more, by the same number of numbers. */
  readonly #floors = new Map<number, TagVersion>();
  #count = 0;

  constructor(most: number) {
    this.#most = most;
  }

  add(tag: string): void {
    const version = tagVersion(tag);
    if (version === undefined) return;
    const { length } = version.numbers;
    const floor = this.#floors.get(length);
    if (floor !== undefined && compareVersions(version, floor) < 0) return;
    const versions = this.#byLength.get(length) ?? new Map<string, Kept>();
    this.#byLength.set(length, versions);
    const key = versionKey(version);
    const kept = versions.get(key) ?? { version, tags: new Set<string>() };
    versions.set(key, kept);
    if (kept.tags.has(tag)) return;
    kept.tags.add(tag);
    this.#count++;
    // Once in a while is cheap enough; at each new version it would not be.
    if (versions.size >= 2 * this.#most + 16 || this.#count > 2 * MAX_SELECTED) this.#forget();
  }

  *tags(): Iterable<string> {
    this.#forget();
    for (const length of [...this.#byLength.keys()].toSorted((one, other) => other - one)) {
      for (const { tags } of newestOf(this.#byLength.get(length), this.#most)) yield* [...tags].toSorted();
    }
  }

  /** Forgets all but the newest versions. */
  #forget(): void {
    this.#count = 0;
    for (const [length, versions] of this.#byLength) {
      const newest = newestOf(versions, this.#most);
      this.#byLength.set(length, new Map(newest.map((kept) => [versionKey(kept.version), kept])));
      for (const { tags } of newest) this.#count += tags.size;
      const last = newest.length === this.#most ? newest.at(-1) : undefined;
      if (last !== undefined) this.#floors.set(length, last.version);
    }
    throwTooMany(this.#count);
  }
}

function newestOf(versions: ReadonlyMap<string, Kept> = new Map(), most: number): Kept[] {
  return [...versions.values()]
    .toSorted((one, other) => compareVersions(other.version, one.version))
    .slice(0, most);
}

function throwTooMany(count: number): void {
  if (count > MAX_SELECTED)
    throw new TagSelectionError(
      `more than ${MAX_SELECTED} of its tags are to be watched; choose fewer with "tags", "newer-than", "newest" or "except"`,
    );
}

function matchesAny(patterns: readonly string[], tag: string): boolean {
  return patterns.some((pattern) => {
    if (pattern === "*" || !WILD.test(pattern)) return pattern === "*" || pattern === tag;
    return matchesWhole(pattern, tag, {
      isRun: (character) => character === "*",
      atLeast: 0,
      isMatch: (character, given) => character === "*" || character === "?" || character === given,
    });
  });
}

// SPDX-License-Identifier: Apache-2.0
import { ShellWordError } from "./shell-word-error.ts";

/** One position of a pattern: a character, or any one character. */
type Position = { readonly char: string } | "any";
/** A pattern cut at its stars: between two segments lies any run of characters. */
type Segments = readonly (readonly Position[])[];

/** Bounds the comparisons (length times length); names and tags of images are far shorter. */
const MAX_LENGTH = 4_096;

/** Reads a shell pattern without bracket expressions: `*`, `?`, and a backslash before `*`, `?`, `\`, `}`, `/`. */
function readPattern(pattern: string): Segments {
  const segments: Position[][] = [[]];
  const chars = Array.from(pattern);
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? "";
    if (char === "*") {
      segments.push([]);
    } else if (char === "?") {
      segments.at(-1)?.push("any");
    } else if (char === "\\") {
      const escaped = chars[++at];
      if (escaped === undefined || !"*?\\}/".includes(escaped)) {
        throw new ShellWordError(
          "refused",
          `the pattern "${pattern.slice(0, 160)}" escapes what needs no escape`,
        );
      }
      segments.at(-1)?.push({ char: escaped });
    } else {
      segments.at(-1)?.push({ char });
    }
  }
  return segments;
}

function prepare(value: string, pattern: string): { chars: string[]; segments: Segments } {
  if (value.length > MAX_LENGTH || pattern.length > MAX_LENGTH) {
    throw new ShellWordError(
      "not-followed",
      `a pattern or its value is longer than ${MAX_LENGTH} characters`,
    );
  }
  // In BuildKit "*" and "?" stop at the end of a line, and a byte order mark is dropped at some places. No
  // reference needs either, so they are not followed.
  if (/[\n\ufeff]/.test(value + pattern)) {
    throw new ShellWordError("not-followed", "a pattern or its value has a line end or a byte order mark");
  }
  return { chars: Array.from(value), segments: readPattern(pattern) };
}

function matchesAt(chars: readonly string[], segment: readonly Position[], start: number): boolean {
  if (start < 0 || start + segment.length > chars.length) return false;
  return segment.every((position, offset) => position === "any" || position.char === chars[start + offset]);
}

function firstIndex(chars: readonly string[], segment: readonly Position[], from: number): number {
  for (let at = from; at + segment.length <= chars.length; at++) if (matchesAt(chars, segment, at)) return at;
  return -1;
}

function lastIndex(chars: readonly string[], segment: readonly Position[], from: number): number {
  for (let at = chars.length - segment.length; at >= from; at--) if (matchesAt(chars, segment, at)) return at;
  return -1;
}

/** Where a match that begins at `start` ends, the shortest or the longest; -1 when there is none. */
function matchEnd(
  chars: readonly string[],
  segments: Segments,
  { start, longest }: { start: number; longest: boolean },
): number {
  const [first = [], ...rest] = segments;
  if (!matchesAt(chars, first, start)) return -1;
  let end = start + first.length;
  for (const [index, segment] of rest.entries()) {
    // Taking every segment as early as possible leaves the most room for the ones after it.
    const isLast = index === rest.length - 1;
    const at = (isLast && longest ? lastIndex : firstIndex)(chars, segment, end);
    if (at < 0) return -1;
    end = at + segment.length;
  }
  return end;
}

/** `${V#p}`, `${V##p}`, `${V%p}`, `${V%%p}`: the value without what the pattern matches at one end. */
export function trimPattern(
  value: string,
  { pattern, longest, end }: { pattern: string; longest: boolean; end: "start" | "end" },
): string {
  const { chars, segments } = prepare(value, pattern);
  if (end === "start") {
    const length = matchEnd(chars, segments, { start: 0, longest });
    return length < 0 ? value : chars.slice(length).join("");
  }
  const backwards = segments.toReversed().map((segment) => segment.toReversed());
  const length = matchEnd(chars.toReversed(), backwards, { start: 0, longest });
  return length < 0 ? value : chars.slice(0, chars.length - length).join("");
}

/** `${V/p/r}` and `${V//p/r}`: the value with the first, or every, longest match of the pattern replaced. */
export function replacePattern(
  value: string,
  { pattern, replacement, all }: { pattern: string; replacement: string; all: boolean },
): string {
  const { chars, segments } = prepare(value, pattern);
  // BuildKit reads "$1" there as a group of its regular expression.
  if (all && replacement.includes("$"))
    throw new ShellWordError("not-followed", "a replacement of all matches contains a dollar sign");
  if (replacement.length > MAX_LENGTH)
    throw new ShellWordError("not-followed", `a replacement is longer than ${MAX_LENGTH} characters`);
  let result = "";
  let copied = 0;
  for (let from = 0; from <= chars.length;) {
    const start = firstIndex(chars, segments[0] ?? [], from);
    const end = start < 0 ? -1 : matchEnd(chars, segments, { start, longest: true });
    if (end < 0) break;
    result += chars.slice(copied, start).join("");
    // An empty match that touches the match before it does not count.
    if (end > copied || start === 0) result += replacement;
    copied = end;
    from = Math.max(end, from + 1);
    if (!all) break;
  }
  return result + chars.slice(copied).join("");
}

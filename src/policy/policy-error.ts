// SPDX-License-Identifier: Apache-2.0
import { ImageReferenceError } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import { TrustError } from "../trust/error.ts";

/**
 * - `too-large`, `syntax`: the file is not YAML as we take it
 * - `version`: made for a newer version of this program, or for none
 * - `unknown-key`, `wrong-value`: the text says which, and what is allowed
 * - `unknown-log`: a log that the trusted root does not have
 * - `loosens`: the repository's file or a build argument would loosen or redirect what the baked file sets
 */
export type PolicyErrorCode =
  | "too-large"
  | "syntax"
  | "version"
  | "unknown-key"
  | "wrong-value"
  | "unknown-log"
  | "loosens";

/** One thing that is wrong with a policy. */
export interface PolicyProblem {
  readonly code: PolicyErrorCode;
  /** `policy.yaml:3`, `policy.yaml:3:7` or `--build-arg TLOG_X`. */
  readonly place: string;
  /** The line in the file, from 1. */
  readonly line?: number;
  readonly text: string;
}

/** How many problems a message has; of others it has the number. */
export const MAX_SHOWN = 10;

/** A policy that cannot be used; nothing is built with half of one. The message has one line for each problem. */
export class PolicyError extends Error {
  override readonly name = "PolicyError";
  /** Of the first problem, as is `line`. */
  readonly code: PolicyErrorCode;
  readonly line?: number;

  constructor(first: PolicyProblem, ...more: readonly PolicyProblem[]) {
    const problems = [first, ...more];
    const lines = problems.slice(0, MAX_SHOWN).map(({ place, text }) => `${place}: ${text}`);
    if (problems.length > MAX_SHOWN) lines.push(`and ${problems.length - MAX_SHOWN} more`);
    super(lines.join("\n"));
    this.code = first.code;
    if (first.line !== undefined) this.line = first.line;
  }
}

/** Throws PolicyError when there are any problems. */
export function throwProblems(problems: readonly PolicyProblem[]): void {
  const [first, ...more] = problems;
  if (first !== undefined) throw new PolicyError(first, ...more);
}

/** Where a source is, as messages begin: a line of a file, or a build argument. */
export function placeOf(source: string): Pick<PolicyProblem, "place" | "line"> {
  const line = /:(\d+)$/.exec(source)?.[1];
  return {
    place: isArg(source) ? `--build-arg ${source}` : source,
    ...(line !== undefined && { line: Number(line) }),
  };
}

/** Whether the source is a build argument: files are named with their line. */
export function isArg(source: string): boolean {
  return /^TLOG_[A-Z_]+$/.test(source);
}

/** A value that is refused. The message is a problem's text: what was given, and what is wrong with it. */
export class WrongValue extends Error {
  override readonly name = "WrongValue";
}

/** Why a value was refused. Throws on what is no refusal. */
export function whyRefused(error: unknown): string {
  const isRefusal =
    error instanceof WrongValue || error instanceof TrustError || error instanceof ImageReferenceError;
  if (isRefusal) return error.message;
  throw error;
}

/** The way from a file's root to a value: keys, and places in lists. */
export type KeyPath = readonly (string | number)[];

/** The path as people write it, in quotes: `"registries[0].host"`. */
export function quotedPath(path: KeyPath): string {
  const parts = path.map((part, index) =>
    typeof part === "number" ? `[${part}]` : `${index > 0 ? "." : ""}${excerpt(part)}`,
  );
  return `"${parts.join("")}"`;
}

/** Longer words are not typing mistakes. */
const MAX_WORD = 64;

/** How many characters must be added, taken away, exchanged or swapped to make one of the other. */
function distance(one: string, other: string): number {
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_, index) => index)];
  const at = (row: number, column: number) => rows[row]?.[column] ?? 0;
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    rows.push(current);
    for (let column = 1; column <= other.length; column++) {
      const isSame = one[row - 1] === other[column - 1];
      const isSwapped = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      current.push(
        Math.min(
          at(row - 1, column - 1) + (isSame ? 0 : 1),
          at(row - 1, column) + 1,
          at(row, column - 1) + 1,
          row > 1 && column > 1 && isSwapped ? at(row - 2, column - 2) + 1 : Infinity,
        ),
      );
    }
  }
  return at(one.length, other.length);
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[-_ ]/g, "");
}

/** The word that was probably meant, or undefined when none is close. Case, `-` and `_` hardly count. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > MAX_WORD) return undefined;
  const [best] = known
    .map((each) => ({ each, far: distance(plain(word), plain(each)) }))
    .toSorted((one, other) => one.far - other.far);
  if (best === undefined) return undefined;
  return best.far <= Math.min(2, Math.floor(best.each.length / 3)) ? best.each : undefined;
}

/** ` (did you mean "x"?)`, or nothing. */
export function suggestion(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? "" : ` (did you mean "${near}"?)`;
}

/** `"a", "b" or "c"`. */
export function quotedList(words: readonly string[]): string {
  const quoted = words.map((word) => `"${word}"`);
  return quoted.length < 2 ? quoted.join("") : `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
}

/** The one of these words that a text is. Throws WrongValue. */
export function choose<const T extends string>(value: string, choices: readonly T[]): T {
  const choice = choices.find((each) => each === value);
  if (choice !== undefined) return choice;
  throw new WrongValue(`"${excerpt(value)}" is not ${quotedList(choices)}${suggestion(value, choices)}`);
}

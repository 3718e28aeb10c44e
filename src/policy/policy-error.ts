// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../log/excerpt.ts";

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

const MAX_SHOWN = 10;

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

/** The way from a file's root to a value: keys, and places in lists. */
export type KeyPath = readonly (string | number)[];

/** Something wrong at a path of a file. */
export interface FileProblem {
  readonly path: KeyPath;
  readonly code: PolicyErrorCode;
  readonly text: string;
}

/** The path as people write it, in quotes: `"registries[0].host"`. */
export function quotedPath(path: KeyPath): string {
  const parts = path.map((part, index) =>
    typeof part === "number" ? `[${part}]` : `${index > 0 ? "." : ""}${excerpt(part)}`,
  );
  return `"${parts.join("")}"`;
}

// SPDX-License-Identifier: Apache-2.0

/**
 * The version that a tag begins with. No package for versions fits: `semver` wants exactly three numbers without leading
 * zeros, and its loose forms take `22.04` and `3` for nothing, or drop what follows them.
 */
export interface TagVersion {
  /** One to four numbers, as digits without leading zeros: `["3", "16", "0"]`. */
  readonly numbers: readonly string[];
  /** Where a prerelease stands before its release: a stage of `STAGES`, and the numbers behind it. */
  readonly stage: number;
  readonly stageNumbers: readonly string[];
  /** A build of the version, as in `9.4-1123` and `8u412`; none is older than any. */
  readonly build: readonly string[];
}

/** Stages before a release, the oldest first; what follows the list is the release itself. */
const STAGES = [
  ["dev", "snapshot", "nightly"],
  ["alpha", "a"],
  ["beta", "b"],
  ["milestone", "preview", "pre", "m"],
  ["rc", "cr"],
] as const;
const RELEASE = STAGES.length;

const NUMBERS = /^v?(\d+(?:\.\d+){0,3})(?![\d]|\.\d)/i;
/** The short names count only with a number behind them: `3.13.0a1`. */
const STAGE =
  /^[-_.]?(?:(dev|snapshot|nightly|alpha|beta|milestone|preview|pre|rc|cr)[-_.]?(\d+(?:\.\d+)*)?|([abm])(\d+))(?![a-z0-9])/i;
const BUILD = /^[-_u](\d+(?:\.\d+)*)(?![a-z0-9])/i;

/** The version at a tag's start, with or without a `v`; undefined when it begins with none. What follows it is the tag's variant. */
export function tagVersion(tag: string): TagVersion | undefined {
  const [whole, numbers] = NUMBERS.exec(tag) ?? [];
  if (whole === undefined || numbers === undefined) return undefined;
  const rest = tag.slice(whole.length);
  const [, long, longNumbers, short, shortNumbers] = STAGE.exec(rest) ?? [];
  const word = (long ?? short)?.toLowerCase();
  const stage =
    word === undefined ? RELEASE : STAGES.findIndex((names) => names.some((name) => name === word));
  const build = word === undefined ? BUILD.exec(rest)?.[1] : undefined;
  return {
    numbers: digits(numbers),
    stage,
    stageNumbers: digits(longNumbers ?? shortNumbers),
    build: digits(build),
  };
}

/** Whether a tag is a version as a whole, so that it can be compared with: `3.14`, `v1.2.3-rc1`, `9.4-1123`. */
export function isWholeVersion(tag: string): boolean {
  const [whole] = NUMBERS.exec(tag) ?? [];
  if (whole === undefined) return false;
  const rest = tag.slice(whole.length);
  return rest === "" || [STAGE, BUILD].some((shape) => shape.exec(rest)?.[0] === rest);
}

/**
 * Negative when the first version is older, positive when it is newer, 0 when they are the same. Numbers that are
 * missing are 0, and a prerelease is older than its release.
 */
export function compareVersions(one: TagVersion, other: TagVersion): number {
  return (
    compareNumbers(one.numbers, other.numbers) ||
    one.stage - other.stage ||
    compareNumbers(one.stageNumbers, other.stageNumbers) ||
    compareNumbers(one.build, other.build)
  );
}

/** The same text for two versions exactly when they compare as 0. */
export function versionKey({ numbers, stage, stageNumbers, build }: TagVersion): string {
  return [numbers, [String(stage)], stageNumbers, build].map(withoutZeros).join("/");
}

function withoutZeros(numbers: readonly string[]): string {
  const last = numbers.findLastIndex((number) => number !== "0");
  return numbers.slice(0, last + 1).join(".");
}

/** Tags have at most 128 characters, which is too long a number to count with. */
function digits(dotted: string | undefined): readonly string[] {
  return dotted?.split(".").map((number) => number.replace(/^0+(?=\d)/, "")) ?? [];
}

function compareNumbers(one: readonly string[], other: readonly string[]): number {
  for (let index = 0; index < Math.max(one.length, other.length); index++) {
    const [a = "0", b = "0"] = [one[index], other[index]];
    if (a !== b) return a.length - b.length || (a < b ? -1 : 1);
  }
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
import type { Pattern } from "./pattern.ts";

/** Where a part of a policy was set: nowhere, at a line (`policy.yaml:3`), or by a build argument (`TLOG_UNSEEN`). */
export type Source = string;

/** The source of a default. */
export const NOT_SET: Source = "default";

/** One part of a policy and where it was set. */
export interface Setting<T> {
  readonly value: T;
  readonly source: Source;
}

/**
 * What happens to an image whose tag names another digest than the one that stands, the loosest first.
 *
 * - `ignore`: it is not looked up, recorded or mentioned
 * - `follow`: every change is recorded and shown; the build goes on with what the tag names now
 * - `warn`: the build goes on with what the tag names now, and warns that this is not what was recorded
 * - `pin`: the build goes on with what was recorded: no image runs that was not agreed to
 * - `block`: there is no build
 */
export const ACTIONS = ["ignore", "follow", "warn", "pin", "block"] as const;
/** What may happen to a tag without a record, the loosest first. */
export const UNSEEN = ["allow", "record", "block"] as const;
/** What may happen when a log could not be asked, and to a tag that is too new; the loosest first. */
export const WARN_OR_BLOCK = ["warn", "block"] as const;
/** Whether an image may be named by a digest alone, the loosest first. */
export const BY_DIGEST = ["allow", "block"] as const;
/** The named sets of defaults, the loosest first. `observe` stops no build, whatever the rules say. */
export const PROFILES = ["observe", "default", "strict"] as const;

export type Action = (typeof ACTIONS)[number];
export type Profile = (typeof PROFILES)[number];

/** How long a tag must have been in the log, by the log's proven time, before it is accepted. */
export interface MinAge {
  readonly days: number;
  /** What happens to a tag that is younger. */
  readonly otherwise: "block" | "warn";
}

/** The parts of a rule. */
interface Parts {
  readonly action: Action;
  readonly unseen: (typeof UNSEEN)[number];
  readonly unknown: (typeof WARN_OR_BLOCK)[number];
  readonly minAge: MinAge;
  /** The image may be named to the log although its registry does not show it to everybody. */
  readonly private: boolean;
  /** Whether the image may be named by a digest alone, without a tag that records speak of. */
  readonly byDigest: (typeof BY_DIGEST)[number];
}

export type Part = keyof Parts;
export type ValueOf<P extends Part> = Parts[P];

/** What applies to one image. */
export interface Rule extends Omit<Parts, "minAge">, Partial<Pick<Parts, "minAge">> {
  /** Where the action was set: `policy.yaml:12`, `TLOG_PROFILE`, or `default: dated tag`. */
  readonly source: Source;
  /** Why it is so, in one short phrase for people: `dated tags are written once`. */
  readonly why: string;
}

/** What a rule of a file, or its `default`, says of an image; what it does not say is not there. */
export type RuleParts = { readonly [P in Part]?: Setting<Parts[P]> };

/** The names of the parts in a policy file. */
export const PART_KEYS = {
  action: "action",
  unseen: "unseen",
  unknown: "unknown",
  minAge: "min-age",
  private: "private",
  byDigest: "by-digest",
} as const satisfies Readonly<Record<Part, string>>;

/** The parts, in the order of the reference. */
export const PARTS = Object.keys(PART_KEYS) as readonly Part[];

/** One entry of `rules`: what applies to the images that one of its patterns matches. */
export interface PatternRule extends RuleParts {
  readonly patterns: readonly Pattern[];
  readonly source: Source;
}

/** The strictest of two words of a list that has the loosest first. */
function stricterOf<T extends string>(order: readonly T[], one: T, other: T): T {
  return order.indexOf(one) < order.indexOf(other) ? other : one;
}

const STRICTER: { readonly [P in Part]: (one: Parts[P], other: Parts[P]) => Parts[P] } = {
  action: (one, other) => stricterOf(ACTIONS, one, other),
  unseen: (one, other) => stricterOf(UNSEEN, one, other),
  unknown: (one, other) => stricterOf(WARN_OR_BLOCK, one, other),
  minAge: (one, other) => ({
    days: Math.max(one.days, other.days),
    otherwise: stricterOf(WARN_OR_BLOCK, one.otherwise, other.otherwise),
  }),
  // To name an image to a log that everybody can read is the looser answer.
  private: (one, other) => one && other,
  byDigest: (one, other) => stricterOf(BY_DIGEST, one, other),
};

/** The value of a part that is as strict as both. */
export function stricter<P extends Part>(part: P, one: Parts[P], other: Parts[P]): Parts[P] {
  return STRICTER[part](one, other);
}

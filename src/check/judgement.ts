// SPDX-License-Identifier: Apache-2.0
import type { Digest } from "../image/digest.ts";
import type { Reference } from "../image/reference.ts";
import type { Action, Profile, Rule } from "../policy/rule.ts";
import type { TagRecord } from "../record/record.ts";
import type { LedgerFindings, Verdict } from "./verdict.ts";

/** What becomes of a build because of one image: it goes on, it goes on with a warning, or it stops. */
export const OUTCOMES = ["pass", "warn", "refuse"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What becomes of a build because of several images. */
export function worstOf(outcomes: readonly Outcome[]): Outcome {
  return OUTCOMES.findLast((outcome) => outcomes.includes(outcome)) ?? "pass";
}

/** The judgement on one image source. */
export interface Judgement extends LedgerFindings {
  readonly reference: Reference;
  readonly verdict: Verdict;
  /** The policy's rule for the image. */
  readonly rule: Rule;
  readonly outcome: Outcome;
  /** Entries under the tag's name in the log that do not count, by reason. */
  readonly rejected: ReadonlyMap<string, number>;
  /** What signers who are not trusted saw the tag name besides, the newest first, three at most; it decides nothing. */
  readonly foreign: readonly TagRecord[];
  /** The records that the verdict rests on, in log order; empty when there is none. */
  readonly records: readonly TagRecord[];
  /** Where the builder remembered them: the day on which the log was asked for them (UTC), `2026-11-21`. */
  readonly askedOn?: string;
}

/** What becomes of a build that consumes an image with this verdict. The profile `observe` never stops one. */
export function outcomeOf(verdict: Verdict, rule: Rule, profile: Profile): Outcome {
  const outcome = strictOutcome(verdict, rule);
  return outcome === "refuse" && profile === "observe" ? "warn" : outcome;
}

/** What becomes of a build whose tag moved. With `pin` it only gets here when the recorded image could not be used. */
const MOVED: Readonly<Record<Action, Outcome>> = {
  ignore: "pass",
  follow: "pass",
  warn: "warn",
  pin: "refuse",
  block: "refuse",
};

function strictOutcome(verdict: Verdict, rule: Rule): Outcome {
  switch (verdict.kind) {
    case "moved":
      // The age of a followed tag has been checked; with `warn` nothing proves that of the new image.
      return rule.action === "warn" && rule.minAge?.otherwise === "block" ? "refuse" : MOVED[rule.action];
    case "unpinned":
      return "refuse";
    case "unknown":
      return rule.unknown === "block" ? "refuse" : "warn";
    case "unrecorded":
      // Nothing proves the age of an image without a record.
      if (rule.unseen === "block" || rule.minAge?.otherwise === "block") return "refuse";
      return rule.minAge?.otherwise === "warn" ? "warn" : "pass";
    case "too-new":
      return rule.minAge?.otherwise === "warn" ? "warn" : "refuse";
    // An image that is older than its tag may lack later fixes.
    case "pinned":
      return "warn";
    case "unchanged":
    case "first-seen":
    case "approved":
    case "exempt":
      return "pass";
    case "by-digest":
      return rule.byDigest === "block" ? "refuse" : "pass";
  }
}

/** The judgement on the recorded image, as one that took the place of what its tag names now. */
export function asPinned(judgement: Judgement, served: Digest): Judgement {
  const { verdict } = judgement;
  if (verdict.kind !== "unchanged") return judgement;
  return { ...judgement, verdict: { kind: "pinned", record: verdict.record, served }, outcome: "warn" };
}

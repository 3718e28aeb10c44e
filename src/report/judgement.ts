// SPDX-License-Identifier: Apache-2.0
// A judgement as the texts need it. What check tells today is a part of it.
import type { Judgement as TodaysJudgement } from "../check/check.ts";
import type { Digest } from "../image/digest.ts";
import type { Reference } from "../image/reference.ts";
import type { Rule } from "../policy/rule.ts";
import type { Record } from "../record/verification.ts";

export type Verdict =
  | { readonly kind: "unchanged"; readonly record: Record; readonly note?: "same-platforms" | "superseded" }
  | { readonly kind: "first-seen"; readonly record: Record }
  | { readonly kind: "approved"; readonly record: Record; readonly superseded: Record }
  | {
      readonly kind: "unrecorded";
      readonly reason: "no-signer" | "policy" | "not-public" | "registry-differs";
      readonly detail: string;
    }
  | { readonly kind: "moved"; readonly record: Record; readonly newer?: Record; readonly gone?: string }
  | { readonly kind: "pinned"; readonly record: Record; readonly served: Digest }
  | { readonly kind: "too-new"; readonly record: Record; readonly until: Date }
  | { readonly kind: "exempt" }
  | { readonly kind: "by-digest" }
  | { readonly kind: "unpinned"; readonly detail: string }
  | { readonly kind: "unknown"; readonly detail: string };
export interface Judgement {
  readonly reference: Reference;
  readonly verdict: Verdict;
  readonly rule: Rule | undefined;
  readonly outcome: "pass" | "warn" | "refuse";
  readonly rejected: ReadonlyMap<string, number>;
}

/** A judgement without a rule, as they are made today. */
export function withOutcome({ refused, ...judgement }: TodaysJudgement): Judgement {
  const passed = judgement.verdict.kind === "unknown" ? "warn" : "pass";
  return { ...judgement, rule: undefined, outcome: refused ? "refuse" : passed };
}

// SPDX-License-Identifier: Apache-2.0
import { taggedName } from "../image/reference.ts";
import type { Rule } from "../policy/rule.ts";
import type { History } from "../record/history.ts";
import type { CheckContext, ConsumedImage } from "./context.ts";
import type { Signers } from "./signers.ts";
import { decide, type Decision, type Lookup, oldEnough, type TooNew, type Unchanged } from "./verdict.ts";

/** The check of a build: what it was given, and what it learns on its way. */
export interface Check {
  readonly context: CheckContext;
  readonly signers: Signers;
  /** What was read or written of tags, by their names. */
  readonly known: Map<string, History>;
}

/** The check of one image. */
export interface ImageCheck extends Check {
  readonly image: ConsumedImage;
  readonly rule: Rule;
}

/** The decision upon what was found, by the clock of the check. */
export function decideOn({ image, rule, context }: ImageCheck, lookup: Lookup): Decision {
  return decide({ ...image, rule, now: context.now() }, lookup);
}

/** The verdict, unless the rule wants an age that these records do not prove. */
export function aged(
  { rule, context }: ImageCheck,
  { records }: Pick<History, "records">,
  verdict: Unchanged,
): Unchanged | TooNew {
  return oldEnough(verdict, records, { rule, now: context.now() });
}

/** Whether this check is to approve what the image's tag names now. */
export function isToBeApproved({ image, context: { approval } }: ImageCheck): boolean {
  return approval !== undefined && taggedName(approval.tag) === taggedName(image.reference);
}

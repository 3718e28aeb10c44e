// SPDX-License-Identifier: Apache-2.0
import { type Reference, taggedName } from "../image/reference.ts";
import { type EffectivePolicy, namedLogs } from "../policy/policy.ts";
import type { Rule } from "../policy/rule.ts";
import type { History } from "../record/history.ts";
import { type Looked, lookUp, type Places } from "./lookup.ts";
import { type NotWritten, write, type Writing, type Wrote } from "./recording.ts";
import type { Signers, SignersContext } from "./signers.ts";
import {
  decide,
  type Decision,
  type Lookup,
  oldEnough,
  type TooNew,
  type Unchanged,
  type Verdict,
} from "./verdict.ts";

/** An image that a build consumes. */
export interface ConsumedImage {
  readonly reference: Reference;
  /** The platforms that are built with it, `linux/amd64`, …; empty when that is not known. */
  readonly platforms: readonly string[];
  /** Whether the person who builds wrote the digest, and the registry was not asked for it. */
  readonly claimed: boolean;
  /** The image whose ONBUILD names this one, where no line of the Dockerfile does. */
  readonly namedBy?: Reference | undefined;
}

/** What a check needs from outside. */
export interface CheckContext extends Omit<Places, "logs" | "counted">, SignersContext {
  readonly policy: EffectivePolicy;
  readonly now: () => Date;
  /** The tag whose standing record is to be superseded by what it names now, and why. */
  readonly approval?: { readonly tag: Reference; readonly reason?: string | undefined } | undefined;
}

/** One image on its way to a judgement, and all that the steps of the way need. */
export interface Case {
  readonly image: ConsumedImage;
  readonly rule: Rule;
  readonly signers: Signers;
  readonly context: CheckContext;
  /** What this check has learnt of tags, by their names. */
  readonly known: Map<string, History>;
}

/** What was decided, and upon what. */
export interface Decided extends Looked {
  readonly decision: Decision;
}

/** The decision upon what was found, by the clock of the check. */
export function decideOn({ image, rule, context }: Case, lookup: Lookup): Decision {
  return decide({ ...image, rule, now: context.now() }, lookup);
}

/** Whether this check is to approve what the image's tag names now. */
export function isToBeApproved({ image, context: { approval } }: Case): boolean {
  return approval !== undefined && taggedName(approval.tag) === taggedName(image.reference);
}

/** The verdict, unless the rule wants an age that these records do not prove. */
export function aged({ rule, context }: Case, { records }: Looked, verdict: Unchanged): Unchanged | TooNew {
  return oldEnough(verdict, records, { rule, now: context.now() });
}

/** Looks for the tag's records in all places, and decides. */
export async function ask(one: Case): Promise<Decided> {
  const looked = await lookUp(one.image.reference, one.signers, placesOf(one));
  return { ...looked, decision: decideOn(one, looked.lookup) };
}

/** Whether what is written would be lost: the log's answer is the only copy, and nobody keeps it. */
export function isLost({ context }: Case): boolean {
  return context.policy.logs[0]?.api === 2 && !context.keepsRecords;
}

/** Writes a sighting of the image, if it is not lost and there is somebody who can sign; undefined when there is not. */
export async function writeSighting(
  one: Case,
  asked: Looked,
  approval?: Writing["approval"],
): Promise<Wrote | NotWritten | undefined> {
  const { image, rule, signers, context } = one;
  if (isLost(one)) return undefined;
  const courier = await signers.signing();
  if (courier === undefined) return undefined;
  const writing = { reference: image.reference, private: rule.private, ...(approval && { approval }) };
  const { records, rejected } = asked;
  const known = records.length > 0 ? { records, rejected } : undefined;
  return write(writing, { courier, signers, known }, { ...context, ...placesOf(one) });
}

function placesOf(one: Case): Places {
  const { context, known } = one;
  const { logs } = context.policy;
  return {
    ...context,
    logs,
    counted: namedLogs(context.policy),
    // An approval is of no use beside one that the lock file does not know.
    recheck: context.recheck || isToBeApproved(one),
    async locked(reference, trust) {
      // What was read, or written, a moment ago is not asked for again; a log without search would not have it.
      return known.get(taggedName(reference)) ?? context.locked?.(reference, trust);
    },
  };
}

/** Whether what this build wrote was proven, and by somebody who counts. */
export function isProven({ records, isOwn }: Wrote): boolean {
  return records.some(isOwn);
}

/** Why an entry that this build wrote is no record; `done` is what became of it: "recorded". */
export function unproven(done: string, { rejected }: Wrote): string {
  return `${done}, but ${whyUnproven(rejected)}`;
}

/** The verdict on a tag that this build recorded without anybody being able to prove it. */
export function unprovenRecord(wrote: Wrote): Extract<Verdict, { kind: "unknown" }> {
  return { kind: "unknown", reason: "unproven", detail: unproven("recorded", wrote) };
}

function whyUnproven(rejected: Wrote["rejected"]): string {
  if (rejected.has("replayed"))
    return "it does not count, because this builder's clock and the log's differ by more than 15 minutes";
  if (rejected.has("bad-certificate"))
    return "no authority of the trusted root stands behind the certificate that signed it; is trusted_root.json that of the certificate authority?";
  if (rejected.has("unknown-log"))
    return "the trusted root does not have this log; is trusted_root.json that of the log?";
  return "the log does not prove it";
}

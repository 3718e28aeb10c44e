// SPDX-License-Identifier: Apache-2.0
import { type Reference, taggedName } from "../image/reference.ts";
import type { EffectivePolicy } from "../policy/policy.ts";
import type { Rule } from "../policy/rule.ts";
import { NOT_SET } from "../policy/settings.ts";
import type { History } from "../record/history.ts";
import { type Looked, lookUp, type Places } from "./lookup.ts";
import { type NotWritten, write, type Writing, type Wrote } from "./recording.ts";
import type { Signers, SignersContext } from "./signers.ts";
import { decide, type Decision, type Lookup } from "./verdict.ts";

/** An image that a build consumes. */
export interface ConsumedImage {
  readonly reference: Reference;
  /** The platforms that are built with it, `linux/amd64`, …; empty when that is not known. */
  readonly platforms: readonly string[];
  /** Whether the person who builds wrote the digest, and the registry was not asked for it. */
  readonly claimed: boolean;
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
  const known = asked.lookup.kind === "found" ? asked.lookup.history : undefined;
  return write(writing, { courier, signers, known }, { ...context, ...placesOf(one) });
}

function placesOf({ context, known }: Case): Places {
  const { logs, sources } = context.policy;
  return {
    ...context,
    logs,
    counted: sources.logs === NOT_SET ? undefined : logs.map(({ url }) => url),
    async locked(reference, trust) {
      // What was read, or written, a moment ago is not asked for again; a log without search would not have it.
      return known.get(taggedName(reference)) ?? context.locked?.(reference, trust);
    },
  };
}

/** Why an entry that this build wrote is no record that stands; `done` is what became of it: "recorded". */
export function unproven(done: string, rejected: ReadonlyMap<string, number>): string {
  return `${done}, but ${whyUnproven(rejected)}`;
}

function whyUnproven(rejected: ReadonlyMap<string, number>): string {
  if (rejected.has("replayed"))
    return "it does not count, because this builder's clock and the log's differ by more than 15 minutes";
  if (rejected.has("bad-certificate"))
    return "no authority of the trusted root stands behind the certificate that signed it; is trusted_root.json that of the certificate authority?";
  return "the log does not prove it";
}

// SPDX-License-Identifier: Apache-2.0
import { latest } from "../record/history.ts";
import { aged, type ImageCheck } from "./image-check.ts";
import { ask, type DecisionResult } from "./lookup.ts";
import { isProven, unprovenRecord, writeSighting } from "./recording.ts";
import type { UnrecordedReason, Verdict } from "./verdict.ts";

type Moved = Extract<Verdict, { kind: "moved" }>;

/** Records that a followed tag names another image now, when that can be recorded; it is followed in any case. */
export async function follow(one: ImageCheck, asked: DecisionResult, moved: Moved): Promise<DecisionResult> {
  const { rule, signers } = one;
  if (rule.unseen !== "record") return unwritten(one, asked, { moved, reason: "policy" });
  // A lock file does not know what was recorded since, and each change is recorded once.
  if (asked.isOffline && (await signers.signing()) !== undefined) {
    const again = await ask(one, { recheck: true });
    return again.decision.kind === "moved" ? follow(one, again, again.decision) : again;
  }
  const wrote = await writeSighting(one, asked);
  if (wrote === undefined) return unwritten(one, asked, { moved, reason: "no-signer" });
  if ("kind" in wrote) {
    return wrote.kind === "unknown"
      ? { ...asked, decision: wrote }
      : unwritten(one, asked, { moved, reason: wrote.reason, detail: wrote.detail });
  }
  if (!isProven(wrote)) return { ...wrote, decision: unprovenRecord(wrote) };
  const newer = latest(wrote);
  // Somebody else's sighting may be newer than ours, of yet another image; and an observer's sighting is not followed.
  if (newer === undefined || newer.digest !== one.image.reference.digest)
    return unwritten(one, { ...wrote, decision: moved }, { moved, reason: "no-signer" });
  const decision = aged(one, wrote, { kind: "unchanged", record: newer });
  return { ...wrote, decision: decision.kind === "too-new" ? decision : { ...moved, newer } };
}

/** The decision on a followed image that nobody records now. Where an age is wanted, a record has to prove it. */
function unwritten(
  one: ImageCheck,
  asked: DecisionResult,
  { moved, reason, detail = "" }: { moved: Moved; reason: UnrecordedReason; detail?: string },
): DecisionResult {
  if (one.rule.minAge === undefined) return asked;
  const { digest } = one.image.reference;
  const seen = asked.records.findLast((record) => record.digest === digest && record.may.has("record"));
  if (seen === undefined) return { ...asked, decision: { kind: "unrecorded", reason, detail } };
  const decision = aged(one, asked, { kind: "unchanged", record: seen });
  return { ...asked, decision: decision.kind === "too-new" ? decision : moved };
}

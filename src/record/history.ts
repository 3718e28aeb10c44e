// SPDX-License-Identifier: Apache-2.0
import type { Digest } from "../image/digest.ts";
import { LogEntryError, parseLogEntry } from "../log/entry.ts";
import { inLogOrder } from "./log-order.ts";
import { RecordError, type RecordErrorCode } from "./error.ts";
import { signerId } from "./signer.ts";
import {
  type Candidate,
  proveRecord,
  readCandidate,
  type Record,
  type RecordContext,
} from "./verification.ts";

/** What somebody brought that may be a record. */
export type Evidence =
  /** An entry as the API of Rekor v1 answers it. */
  | { readonly kind: "entry"; readonly uuid: string; readonly entry: unknown }
  /** A Sigstore bundle, and where it came from: `tlog.lock:12`. */
  | { readonly kind: "bundle"; readonly bundle: unknown; readonly place: string };

/** All records of one tag. */
export interface History {
  /** In log order, the earliest first; one for each sighting, however often it was logged. */
  readonly records: readonly Record[];
  /** How many of the other entries were refused for what reason. */
  readonly rejected: ReadonlyMap<RecordErrorCode, number>;
}

/**
 * Makes the history of a tag out of everything that was found about it. Never throws for a bad entry: strangers
 * may log what they like under a tag, and must not stop a build with it.
 */
export function readHistory(evidence: Iterable<Evidence>, context: RecordContext): History {
  const rejected = new Map<RecordErrorCode, number>();
  const attempt = <T>(judge: () => T): T | undefined => {
    try {
      return judge();
    } catch (error) {
      const code = codeOf(error);
      rejected.set(code, (rejected.get(code) ?? 0) + 1);
      return undefined;
    }
  };

  const candidates: Candidate[] = [];
  for (const each of evidence) {
    const candidate = attempt(() => readEvidence(each, context));
    if (candidate !== undefined) candidates.push(candidate);
  }
  const records: Record[] = [];
  for (const copies of groupCopies(candidates)) {
    // Anybody can log copies of an envelope; once the earliest is proven, the later ones need no costly proof.
    for (const copy of copies) {
      const record = attempt(() => proveRecord(copy, context.trustedRoot));
      if (record === undefined) continue;
      records.push(record);
      break;
    }
  }
  return { records: inLogOrder(records), rejected };
}

function readEvidence(evidence: Evidence, context: RecordContext): Candidate {
  switch (evidence.kind) {
    case "entry":
      return readCandidate(parseLogEntry(evidence.uuid, evidence.entry), context);
    case "bundle":
      throw new RecordError(
        "not-a-sighting",
        `read the bundle of ${evidence.place}: bundles do not count yet`,
      );
  }
}

function codeOf(error: unknown): RecordErrorCode {
  if (error instanceof RecordError) return error.code;
  if (error instanceof LogEntryError) return "malformed";
  throw error;
}

/**
 * Candidates by signer and statement, the one with the lowest index first. Not by signature: everybody can turn a
 * valid ECDSA signature into a second valid one.
 */
function groupCopies(candidates: readonly Candidate[]): Iterable<readonly Candidate[]> {
  const groups = Map.groupBy(
    candidates,
    ({ signer, envelope }) => `${signerId(signer)} ${envelope.payloadHash}`,
  );
  return [...groups.values()].map((copies) => copies.toSorted((a, b) => a.entry.logIndex - b.entry.logIndex));
}

/** What a tag's history comes to. */
export interface Standing {
  /** The record that counts for the tag. */
  readonly record: Record;
  /** Those that stood before it, the oldest first. */
  readonly superseded: readonly Record[];
  /**
   * Approvals that change nothing, in log order: of another digest than the one that stood, of that same digest, or
   * by who may not approve.
   */
  readonly ignored: readonly Record[];
}

/**
 * Reads a history from its beginning, in log order. While nothing stands, the first sighting stands by who may
 * record, or the first approval by who may approve. From then on an approval applies that supersedes exactly the
 * digest that stands by another one, signed by who may approve; nothing else changes anything. Undefined when nothing
 * stands.
 *
 * Of two approvals of one digest, the one that the log took in first applies, and the other supersedes what
 * does not stand any more. Whoever may approve can always approve again, whatever stands.
 */
export function standing({ records }: History): Standing | undefined {
  let record: Record | undefined;
  const superseded: Record[] = [];
  const ignored: Record[] = [];
  for (const each of records) {
    if (record === undefined) {
      if (each.may.has(isApproval(each) ? "approve" : "record")) record = each;
      else if (isApproval(each)) ignored.push(each);
    } else if (isApproval(each)) {
      if (applies(each, record.digest)) {
        superseded.push(record);
        record = each;
      } else {
        ignored.push(each);
      }
    }
  }
  return record && { record, superseded, ignored };
}

/**
 * The newest sighting by who may record, approvals by who may approve among them; undefined when there is none. It is
 * what counts for a tag that is followed wherever it goes.
 */
export function latest({ records }: History): Record | undefined {
  return records.findLast(
    (record) => record.may.has("record") || (isApproval(record) && record.may.has("approve")),
  );
}

function isApproval(record: Record): boolean {
  return record.supersedes !== undefined;
}

function applies({ may, supersedes, digest }: Record, stands: Digest): boolean {
  return may.has("approve") && supersedes === stands && digest !== stands;
}

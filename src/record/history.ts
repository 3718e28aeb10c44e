// SPDX-License-Identifier: Apache-2.0
import type { Digest } from "../image/digest.ts";
import { LogEntryError, parseLogEntry } from "../log/entry.ts";
import { type Candidate, readBundle, readEntry, readKind, statementId } from "./candidate.ts";
import { RecordError, type RecordErrorCode } from "./error.ts";
import { inLogOrder } from "./log-order.ts";
import { isLegacy, readLegacy } from "./tlogistry.ts";
import { proveRecord, type Record, type RecordContext } from "./verification.ts";

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

/** What claims to be a record, wherever it came from. */
interface Claimed {
  /** The same in copies of one statement. */
  readonly id: string;
  readonly loggedAt: Date;
  readonly logIndex: bigint;
  /** Throws RecordError. */
  readonly prove: () => Record;
}

/** Something that is no record. */
interface Rejected {
  readonly code: RecordErrorCode;
  /** The leaf of the log that it was to be about. */
  readonly leaf: string | undefined;
}

/**
 * Makes the history of a tag out of everything that was found about it. Never throws for bad evidence: strangers
 * may log what they like under a tag, and must not stop a build with it.
 */
export function readHistory(evidence: Iterable<Evidence>, context: RecordContext): History {
  const rejected: Rejected[] = [];
  const attempt = <T>(judge: () => T, leaf?: string): T | undefined => {
    try {
      return judge();
    } catch (error) {
      rejected.push({ code: codeOf(error), leaf });
      return undefined;
    }
  };

  const claims: Claimed[] = [];
  for (const each of evidence) {
    const claim = attempt(() => readEvidence(each, context), each.kind === "entry" ? each.uuid : undefined);
    if (claim !== undefined) claims.push(claim);
  }
  const records: Record[] = [];
  for (const copies of groupCopies(claims)) {
    // Anybody can log copies of an envelope; once the earliest is proven, the later ones need no costly proof.
    for (const copy of copies) {
      const record = attempt(copy.prove);
      if (record === undefined) continue;
      records.push(record);
      break;
    }
  }
  return { records: inLogOrder(records), rejected: countRejected(rejected, records) };
}

function readEvidence(evidence: Evidence, context: RecordContext): Claimed {
  switch (evidence.kind) {
    case "entry": {
      const entry = parseLogEntry(evidence.uuid, evidence.entry);
      const named = readKind(entry);
      if (isLegacy(named)) return readLegacy(entry, named, context);
      return claimOf(readEntry(entry, named, context), context);
    }
    case "bundle":
      return claimOf(readBundle(evidence.bundle, evidence.place, context), context);
  }
}

function claimOf(candidate: Candidate, { trustedRoot }: RecordContext): Claimed {
  const { claim, loggedAt } = candidate;
  return {
    id: statementId(claim),
    loggedAt,
    logIndex: BigInt(claim.bundle.verificationMaterial.tlogEntries[0].logIndex),
    prove: () => proveRecord(candidate, trustedRoot),
  };
}

function codeOf(error: unknown): RecordErrorCode {
  if (error instanceof RecordError) return error.code;
  if (error instanceof LogEntryError) return "malformed";
  throw error;
}

/** Those of one signer and statement together, the one first that says to be the earliest. */
function groupCopies(claims: readonly Claimed[]): Iterable<readonly Claimed[]> {
  const groups = Map.groupBy(claims, ({ id }) => id);
  return [...groups.values()].map((copies) =>
    copies.toSorted((a, b) => a.loggedAt.getTime() - b.loggedAt.getTime() || Number(a.logIndex - b.logIndex)),
  );
}

/** An entry that the log shows without its proof is no riddle when a bundle has brought the same one with it. */
function countRejected(
  rejected: readonly Rejected[],
  records: readonly Record[],
): ReadonlyMap<RecordErrorCode, number> {
  const proven = new Set(records.flatMap(({ uuid }) => uuid?.slice(-64) ?? []));
  const counts = new Map<RecordErrorCode, number>();
  for (const { code, leaf } of rejected) {
    if (leaf !== undefined && proven.has(leaf.slice(-64))) continue;
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return counts;
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

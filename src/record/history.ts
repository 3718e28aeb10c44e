// SPDX-License-Identifier: Apache-2.0
import type { Digest } from "../image/digest.ts";
import { LogEntryError, parseLogEntry } from "../log/entry.ts";
import { readBundle, readEntry, readKind, statementId } from "./candidate.ts";
import { RecordError, type RecordErrorCode, refusal } from "./error.ts";
import { proveRecord } from "./proofs.ts";
import type { Candidate, Claimed, Evidence, TagRecord, RecordContext } from "./record.ts";
import { signerId } from "./signer.ts";
import { isLegacy, readLegacy } from "./tlogistry.ts";

/** All records of one tag. */
export interface History {
  /** In log order, the earliest first; one for each sighting, however often it was logged. */
  readonly records: readonly TagRecord[];
  /** How many of the other entries were refused for what reason. */
  readonly rejected: ReadonlyMap<RecordErrorCode, number>;
  /**
   * What signers who are not trusted saw the tag name, and no record has: the newest sighting of each digest, the newest
   * first, MAX_FOREIGN at most. They are proven like records, and decide nothing.
   */
  readonly foreign: readonly TagRecord[];
}

/** One for the image that is judged, and three that are shown beside it. */
const MAX_FOREIGN = 4;
/** How much of what strangers logged is read for it, and how much of that proven: they can log without end. */
const MAX_FOREIGN_READ = 256;
const MAX_FOREIGN_PROVEN = 32;

/** Evidence that proves no record. */
interface Rejected {
  readonly code: RecordErrorCode;
  /** The leaf of the log that it claims to be about. */
  readonly leaf: string | undefined;
}

/**
 * Makes the history of a tag out of everything that was found about it. Never throws for bad evidence: strangers
 * can log what they like under a tag, and must not be able to stop a build with it.
 */
export function readHistory(evidence: Iterable<Evidence>, context: RecordContext): History {
  const rejected: Rejected[] = [];
  const claims: Claimed[] = [];
  const strangers: Evidence[] = [];
  for (const each of evidence) {
    try {
      claims.push(readEvidence(each, context));
    } catch (error) {
      const code = codeOf(error);
      rejected.push({ code, leaf: each.kind === "entry" ? each.uuid : undefined });
      if (code === "untrusted-signer") strangers.push(each);
    }
  }
  const history = historyOf(claims, rejected);
  return { ...history, foreign: foreignRecords(strangers, history.records, context) };
}

/** What strangers saw, as far as it is proven like a record. */
function foreignRecords(
  evidence: readonly Evidence[],
  records: readonly TagRecord[],
  context: RecordContext,
): readonly TagRecord[] {
  const known = new Set(records.map(({ digest }) => digest));
  const claims = evidence.slice(-MAX_FOREIGN_READ).flatMap((each) => {
    const claim = refusedAsNone(() => readEvidence(each, { ...context, strangers: true }));
    return claim === undefined || known.has(claim.digest) ? [] : [claim];
  });
  const foreign: TagRecord[] = [];
  let proofs = 0;
  for (const { digest, prove } of claims.toSorted(byClaimedTime).toReversed()) {
    if (foreign.length === MAX_FOREIGN || proofs === MAX_FOREIGN_PROVEN) break;
    if (known.has(digest)) continue;
    proofs += 1;
    const record = refusedAsNone(prove);
    if (record === undefined) continue;
    known.add(digest);
    foreign.push(record);
  }
  return foreign;
}

/** What is read, or undefined when it is refused. */
function refusedAsNone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    codeOf(error);
    return undefined;
  }
}

/** Reasons that the policy has, and that say nothing against the evidence itself. */
const NOT_COUNTED: ReadonlySet<RecordErrorCode> = new Set(["untrusted-signer", "unnamed-log"]);

/**
 * The history of a tag out of evidence that a build kept. A build keeps only what it has proven, so each piece must prove a
 * record: one that does not was changed. Only pieces that the policy does not count are counted as rejected. `check` looks
 * at each record, and `refuse` makes the error for a piece that proves none. Throws what these two throw and make.
 */
export function readKeptHistory<E extends Evidence>(
  evidence: readonly E[],
  context: RecordContext,
  {
    check = () => undefined,
    refuse,
  }: {
    readonly check?: (record: TagRecord, evidence: E) => void;
    readonly refuse: (reason: RecordErrorCode, evidence: E) => Error;
  },
): History {
  const rejected: Rejected[] = [];
  const claims: Claimed[] = [];
  for (const each of evidence) {
    let claim: Claimed;
    let record: TagRecord;
    try {
      claim = readEvidence(each, context);
      record = claim.prove();
    } catch (error) {
      const code = codeOf(error);
      if (!NOT_COUNTED.has(code)) throw refuse(code, each);
      rejected.push({ code, leaf: undefined });
      continue;
    }
    check(record, each);
    claims.push({ ...claim, prove: () => record });
  }
  return historyOf(claims, rejected);
}

function historyOf(claims: readonly Claimed[], rejected: Rejected[]): History {
  const records: TagRecord[] = [];
  for (const copies of groupCopies(claims)) {
    // Anybody can log copies of an envelope; once the earliest is proven, the later ones need no costly proof.
    for (const copy of copies) {
      try {
        records.push(copy.prove());
        break;
      } catch (error) {
        rejected.push({ code: codeOf(error), leaf: undefined });
      }
    }
  }
  return { records: inLogOrder(records), rejected: countRejected(rejected, records), foreign: [] };
}

/** What evidence claims. Throws RecordError, and LogEntryError for an entry that is none; so does its `prove`. */
export function readEvidence(evidence: Evidence, context: RecordContext): Claimed {
  switch (evidence.kind) {
    case "entry": {
      if (evidence.entry === null)
        throw refusal(`log entry "${evidence.uuid}"`, "unread", "the log does not give it");
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
  const { claim, sighting, loggedAt } = candidate;
  return {
    id: statementId(claim),
    digest: sighting.digest,
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

/** Groups copies of one signer's statement; the copy that claims the earliest time comes first. */
function groupCopies(claims: readonly Claimed[]): Iterable<readonly Claimed[]> {
  const groups = Map.groupBy(claims, ({ id }) => id);
  return [...groups.values()].map((copies) => copies.toSorted(byClaimedTime));
}

function byClaimedTime(
  a: Pick<Claimed, "loggedAt" | "logIndex">,
  b: Pick<Claimed, "loggedAt" | "logIndex">,
): number {
  return a.loggedAt.getTime() - b.loggedAt.getTime() || compare(a.logIndex, b.logIndex);
}

/** Leaves out entries that the log shows without proof when a bundle has proven the same entry. */
function countRejected(
  rejected: readonly Rejected[],
  records: readonly TagRecord[],
): ReadonlyMap<RecordErrorCode, number> {
  const proven = new Set(records.flatMap(({ uuid }) => uuid?.slice(-64) ?? []));
  const counts = new Map<RecordErrorCode, number>();
  for (const { code, leaf } of rejected) {
    if (leaf !== undefined && proven.has(leaf.slice(-64))) continue;
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return counts;
}

/**
 * The earliest first: by index within a log. Indexes of two logs say nothing of each other; there the proven times
 * decide, and of the same instant the logs' IDs, so that everybody who has the same records has them in the same order.
 */
export function inLogOrder<T extends Pick<TagRecord, "logId" | "logIndex" | "loggedAt">>(
  records: readonly T[],
): readonly T[] {
  const byIndex = records.toSorted((a, b) => compare(a.logIndex, b.logIndex));
  const clocks = new Map<string, number>();
  const timed = byIndex.map((record) => {
    // A log's clock that was set back must not turn the log's order round.
    const time = Math.max(clocks.get(record.logId) ?? 0, record.loggedAt.getTime());
    clocks.set(record.logId, time);
    return { record, time };
  });
  return timed
    .toSorted((a, b) => compare(a.time, b.time) || compare(a.record.logId, b.record.logId))
    .map(({ record }) => record);
}

function compare<T extends number | bigint | string>(a: T, b: T): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/**
 * One history out of what two places know of a tag: all records of both in log order, each sighting once, with its
 * earliest time. What was rejected cannot be told apart, and two places mostly know the same of it: the larger count is
 * taken.
 */
export function joinHistories(one: History, other: History): History {
  const sightings = new Set<string>();
  const records = inLogOrder([...one.records, ...other.records]).filter((record) => {
    const sighting = sightingId(record);
    const isFirst = !sightings.has(sighting);
    sightings.add(sighting);
    return isFirst;
  });
  const rejected = new Map(one.rejected);
  for (const [code, count] of other.rejected) rejected.set(code, Math.max(rejected.get(code) ?? 0, count));
  const known = new Set(records.map(({ digest }) => digest));
  const foreign = [...one.foreign, ...other.foreign]
    .toSorted(byClaimedTime)
    .toReversed()
    .filter(({ digest }) => !known.has(digest) && known.add(digest))
    .slice(0, MAX_FOREIGN);
  return { records, rejected, foreign };
}

/** What tells sightings apart: two records with the same text are copies of one envelope. */
export function sightingId({ signer, reference, digest, observedAt, supersedes }: TagRecord): string {
  return JSON.stringify([signerId(signer), reference, digest, observedAt.getTime(), supersedes ?? ""]);
}

/** What a tag's history comes to. */
export interface Standing {
  /** The record that counts for the tag. */
  readonly record: TagRecord;
  /** Those that stood before it, the oldest first. */
  readonly superseded: readonly TagRecord[];
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
  let record: TagRecord | undefined;
  const superseded: TagRecord[] = [];
  for (const each of records) {
    if (record === undefined) {
      if (each.may.has(isApproval(each) ? "approve" : "record")) record = each;
    } else if (isApproval(each) && applies(each, record.digest)) {
      superseded.push(record);
      record = each;
    }
  }
  return record && { record, superseded };
}

/**
 * The newest sighting, of this digest if there is one, by who may record, approvals by who may approve among them; undefined
 * when there is none. It is what counts for a tag that is followed wherever it goes.
 */
export function latest({ records }: Pick<History, "records">, digest?: Digest): TagRecord | undefined {
  return records.findLast(
    (record) =>
      (digest === undefined || record.digest === digest) &&
      (record.may.has("record") || (isApproval(record) && record.may.has("approve"))),
  );
}

function isApproval(record: TagRecord): boolean {
  return record.supersedes !== undefined;
}

function applies({ may, supersedes, digest }: TagRecord, stands: Digest): boolean {
  return may.has("approve") && supersedes === stands && digest !== stands;
}

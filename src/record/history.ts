// SPDX-License-Identifier: Apache-2.0
import { LogEntryError, parseLogEntry } from "../log/entry.ts";
import { RecordError, type RecordErrorCode } from "./error.ts";
import { signerId } from "./signer.ts";
import {
  type Candidate,
  proveRecord,
  readCandidate,
  type Record,
  type RecordContext,
} from "./verification.ts";

/** An entry as somebody brought it from a log. */
export interface FoundEntry {
  readonly uuid: string;
  readonly entry: unknown;
}

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
export function readHistory(entries: Iterable<FoundEntry>, context: RecordContext): History {
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
  for (const { uuid, entry } of entries) {
    const candidate = attempt(() => readCandidate(parseLogEntry(uuid, entry), context));
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

/** The record that counts for the tag: the earliest one; undefined when there is none. */
export function standingRecord(history: History): Record | undefined {
  return history.records[0];
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

/** By index within a log. Indexes of two logs say nothing of each other; there the logs' times decide. */
function inLogOrder(records: readonly Record[]): readonly Record[] {
  const byIndex = records.toSorted((a, b) => compare(a.logIndex, b.logIndex));
  const clocks = new Map<string, number>();
  const timed = byIndex.map((record) => {
    // A log's clock that was set back must not turn the log's order round.
    const time = Math.max(clocks.get(record.logId) ?? 0, record.integratedTime.getTime());
    clocks.set(record.logId, time);
    return { record, time };
  });
  return timed.toSorted((a, b) => compare(a.time, b.time)).map(({ record }) => record);
}

function compare<T extends number | bigint>(a: T, b: T): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

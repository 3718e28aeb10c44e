// SPDX-License-Identifier: Apache-2.0
import { taggedName } from "../image/reference.ts";
import type { RecordErrorCode } from "../record/error.ts";
import { type History, readHistory } from "../record/history.ts";
import { LockError } from "./error.ts";
import { lineEvidence, type LockFile, recordLine } from "./file.ts";
import { columnsOf, type LockedLine } from "./line.ts";
import type { TagRecord, RecordContext } from "../record/record.ts";

/** What a line may come to without anything being wrong with it: the policy does not count it, and it counts for nothing. */
const NOT_COUNTED: ReadonlySet<RecordErrorCode> = new Set(["untrusted-signer", "unnamed-log"]);

/**
 * The history of a tag as a lock file proves it. Each line is verified like any other evidence, and what its columns
 * say must be what its bundle proves. A line by somebody whom the policy does not trust is counted among the rejected;
 * any other that does not hold is a LockError: a lock file is written by this tool, so such a line was changed.
 *
 * Throws LockError: "edited", or "unproven" with the reason. A reason of "unknown-log" or "bad-certificate" may be a
 * trusted root that is older than the lock file.
 */
export function lockedHistory(lock: LockFile, context: RecordContext): History {
  const lines = lock.tags.get(taggedName(context.subject)) ?? [];
  const histories = lines.map((line) => {
    const history = readHistory([lineEvidence(lock.name, line)], context);
    const [record] = history.records;
    if (record !== undefined) {
      checkLockedRecord(lock.name, line, record);
      return history;
    }
    const [reason = "malformed"] = history.rejected.keys();
    if (!NOT_COUNTED.has(reason)) throw unproven(lock.name, line, reason);
    return history;
  });
  const [only] = histories;
  if (histories.length === 1 && only !== undefined) return only;
  // Together they have an order, and copies among them are one record.
  return readHistory(
    lines.map((line) => lineEvidence(lock.name, line)),
    context,
  );
}

/**
 * Throws LockError ("edited") unless a line is, byte for byte, that of the record which its bundle proved to be. In a
 * bundle there may be room for more than what is proven, and nothing is to hide there.
 */
export function checkLockedRecord(file: string, line: LockedLine, record: TagRecord): void {
  const proven = columnsOf(record);
  if (recordLine(record) === line.text) return;
  const said = (Object.keys(proven) as (keyof typeof proven)[]).find((key) => proven[key] !== line[key]);
  const what =
    said === undefined
      ? "its bundle has something in it besides the proof"
      : `it says "${line[said]}", and "${proven[said]}" is proven`;
  throw new LockError(
    "edited",
    `read "${file}", line ${line.number}: the line was changed: ${what}; restore the file`,
    { line: line.number },
  );
}

function unproven(file: string, { number, reference }: LockedLine, reason: RecordErrorCode): LockError {
  const why =
    reason === "wrong-subject"
      ? "its bundle is about another tag"
      : `its bundle does not prove a record of "${reference}" (${reason})`;
  return new LockError(
    reason === "wrong-subject" ? "edited" : "unproven",
    `read "${file}", line ${number}: ${why}; restore the file, or delete the line and update the file`,
    { line: number, reason },
  );
}

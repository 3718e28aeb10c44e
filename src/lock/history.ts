// SPDX-License-Identifier: Apache-2.0
import { taggedName } from "../image/reference.ts";
import { type History, readKeptHistory } from "../record/history.ts";
import type { RecordContext, TagRecord } from "../record/record.ts";
import { LockError } from "./error.ts";
import { type LockFile, recordLine } from "./file.ts";
import { columnsOf, type LockedLine } from "./line.ts";

/**
 * The history of a tag as a lock file proves it. Each line is verified like any other evidence, and its columns must say
 * what its bundle proves. A line that the policy does not count is among the rejected; any other that does not hold is a
 * LockError.
 *
 * Throws LockError: "edited", or "unproven" with the reason. A reason of "unknown-log" or "bad-certificate" may be due to
 * a trusted root that is older than the lock file.
 */
export function lockedHistory({ name, tags }: LockFile, context: RecordContext): History {
  const lines = tags.get(taggedName(context.subject)) ?? [];
  const evidence = lines.map((line) => ({
    kind: "bundle" as const,
    bundle: line.bundle,
    place: `${name}:${line.number}`,
    line,
  }));
  return readKeptHistory(evidence, context, {
    check: (record, { line }) => checkLockedRecord(name, line, record),
    refuse(reason, { line: { number, reference } }) {
      const isOther = reason === "wrong-subject";
      const why = isOther
        ? "its bundle is about another tag"
        : `its bundle does not prove a record of "${reference}" (${reason})`;
      return new LockError(
        isOther ? "edited" : "unproven",
        `read "${name}", line ${number}: ${why}; restore the file, or delete the line and update the file`,
        { line: number, reason },
      );
    },
  });
}

/**
 * Throws LockError ("edited") unless a line is, byte for byte, the line of the record that its bundle proves. A bundle may
 * have room for more than what is proven, and nothing must hide there.
 */
function checkLockedRecord(file: string, line: LockedLine, record: TagRecord): void {
  if (recordLine(record) === line.text) return;
  const proven = columnsOf(record);
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

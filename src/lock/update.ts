// SPDX-License-Identifier: Apache-2.0
import { joinLines, type LockFile, parseLockFile, recordLine } from "./file.ts";
import { columnsOf, entryKey, type LockedLine } from "./line.ts";
import type { TagRecord } from "../record/record.ts";

/** What an update does to the lines of one tag. */
export interface LockChange {
  /** The tag's canonical name. */
  readonly reference: string;
  /** Whether the build uses the tag; the lines of one that it does not use are dropped. */
  readonly isUsed: boolean;
  readonly kept: readonly LockedLine[];
  readonly added: readonly LockedLine[];
  readonly dropped: readonly LockedLine[];
}

/** An updated lock file, and what changed in it. */
export interface LockUpdate {
  readonly text: string;
  /** One for each tag of the old file or the new one, in the order of their names. */
  readonly changes: readonly LockChange[];
  /** Records that cannot be locked: no bundle can be made of what the log has of them. */
  readonly unlockable: readonly TagRecord[];
}

export interface LockContent {
  /** The lock file as it is; undefined when there is none. */
  readonly old: LockFile | undefined;
  /** The tags that the build uses, by their canonical names. */
  readonly used: ReadonlySet<string>;
  /** What is to be in the new one: all that the verdicts on these tags rest on. */
  readonly records: readonly TagRecord[];
  /** The day (UTC, `2026-11-21`) to write down as that of the last check; undefined: none is written. */
  readonly checked?: string | undefined;
}

/**
 * Makes the lock file of these records: keeps all lines of tags that the build uses, byte for byte, although the log's proof of
 * them may be another today; adds what is new; drops the lines of tags that it does not use, and nothing else, so that a line
 * that is gone from a used tag is never an update's doing. Throws LockError when the result is over the limits.
 */
export function updateLock({ old, used, records, checked }: LockContent): LockUpdate {
  const before = [...(old?.tags.values() ?? [])].flat();
  const oldLines = new Map(before.map((line) => [entryKey(line), line] as const));
  const unlockable: TagRecord[] = [];
  const lines = new Map<string, string>();
  for (const record of records) {
    const columns = columnsOf(record);
    const key = entryKey(columns);
    const known = oldLines.get(key);
    const line = known && isSame(known, columns) ? known.text : recordLine(record);
    if (line === undefined) unlockable.push(record);
    // The first one stays: a second proof of the same entry says nothing more.
    else if (!lines.has(key)) lines.set(key, line);
  }
  for (const line of before) {
    const key = entryKey(line);
    if (used.has(line.reference) && !lines.has(key)) lines.set(key, line.text);
  }
  const text = joinLines([...lines.values()], checked);
  const updated = parseLockFile(Buffer.from(text), old?.name ?? "tlog.lock");
  return { text, changes: lockChanges(old, updated, used), unlockable };
}

function isSame(line: LockedLine, columns: ReturnType<typeof columnsOf>): boolean {
  return line.digest === columns.digest && line.loggedAt === columns.loggedAt;
}

/** What is different between two lock files, tag by tag. A line with another text is another line. */
function lockChanges(
  old: LockFile | undefined,
  updated: LockFile,
  used: LockContent["used"],
): readonly LockChange[] {
  const references = new Set([...(old?.tags.keys() ?? []), ...updated.tags.keys()]);
  return [...references].toSorted().map((reference) => {
    const before = old?.tags.get(reference) ?? [];
    const after = updated.tags.get(reference) ?? [];
    const had = new Set(before.map(({ text }) => text));
    const has = new Set(after.map(({ text }) => text));
    return {
      reference,
      isUsed: used.has(reference),
      kept: after.filter(({ text }) => had.has(text)),
      added: after.filter(({ text }) => !had.has(text)),
      dropped: before.filter(({ text }) => !has.has(text)),
    };
  });
}

/** Whether an update changes anything. */
export function isChanged(changes: readonly LockChange[]): boolean {
  return changes.some(({ added, dropped }) => added.length > 0 || dropped.length > 0);
}

// SPDX-License-Identifier: Apache-2.0
import { MAX_LOCK_BYTES } from "./name.ts";
import { LockError, type LockErrorCode } from "./error.ts";
import { columnsOf, entryKey, formatLine, type LockedLine, parseLine } from "./line.ts";
import type { TagRecord } from "../record/record.ts";

export const MAX_LOCK_LINES = 10_000;

const VERSION = 1;
const PURPOSE = "(evidence for the image tags of a build; made with --build-arg TLOG_LOCK=update)";
const ANY_HEADER = /^# tlog\.lock ([1-9]\d{0,5})(?: checked (\d{4}-\d\d-\d\d))?(?: .*)?$/;
const CONFLICT = /^(?:<{7}|\|{7}|={7}|>{7})(?: |$)/;

/** A lock file that is whole and well formed. Only the bundles of its lines prove what they say. */
export interface LockFile {
  /** As messages name it: `tlog.lock`. */
  readonly name: string;
  /** The lines of each tag by the tag's canonical name, in the file's order. */
  readonly tags: ReadonlyMap<string, readonly LockedLine[]>;
  /** The day (UTC, `2026-11-21`) on which an update asked the log about all of it, where the policy wants that known. */
  readonly checked?: string;
}

/**
 * Reads a lock file, strictly: anything but the text that `joinLines` writes is a LockError, which names the
 * line. Says nothing about whether the bundles prove anything.
 */
export function parseLockFile(bytes: Uint8Array, name: string): LockFile {
  const { texts, checked } = readLines(bytes, name);
  const tags = new Map<string, LockedLine[]>();
  const entries = new Map<string, number>();
  let previous: LockedLine | undefined;
  for (const [index, text] of texts.entries()) {
    const line = parseLine(text, name, index + 2);
    const fail = (code: LockErrorCode, why: string) =>
      new LockError(code, `read "${name}", line ${line.number}: ${why}`, { line: line.number });
    const key = entryKey(line);
    const other = entries.get(key);
    if (other !== undefined) {
      throw fail("duplicate", `it is about the same entry of the log as line ${other}; delete one of them`);
    }
    if (previous !== undefined && compareLines(previous.text, line.text) > 0) {
      throw fail("unsorted", `it belongs before line ${previous.number}; sort the file: LC_ALL=C sort -u`);
    }
    entries.set(key, line.number);
    const lines = tags.get(line.reference);
    if (lines === undefined) tags.set(line.reference, [line]);
    else lines.push(line);
    previous = line;
  }
  return { name, tags, ...(checked !== undefined && { checked }) };
}

/** The lines after the header, and the day in the header. */
function readLines(
  bytes: Uint8Array,
  name: string,
): { readonly texts: readonly string[]; readonly checked: string | undefined } {
  const fail = (code: LockErrorCode, why: string, { line, cause }: { line?: number; cause?: unknown } = {}) =>
    new LockError(code, `read "${name}"${line === undefined ? "" : `, line ${line}`}: ${why}`, {
      cause,
      ...(line !== undefined && { line }),
    });
  if (bytes.length > MAX_LOCK_BYTES) {
    throw fail("too-large", `it has ${bytes.length} bytes, and the limit is ${MAX_LOCK_BYTES}`);
  }
  if (bytes.length === 0) {
    throw fail(
      "empty",
      `it is empty, which no lock file is: restore it, because it may hold the only copy of its records; or delete it to begin anew (a shell's "> ${name}" empties it before anybody reads it)`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw fail("not-utf8", "it is not UTF-8; restore it", { cause });
  }
  if (text.startsWith("\uFEFF")) {
    throw fail("byte-order-mark", "it begins with a byte order mark; save it as UTF-8 without one");
  }
  const carriage = text.indexOf("\r");
  if (carriage >= 0) {
    throw fail(
      "carriage-return",
      `its lines end as on Windows; tell git to leave it as it is, with the line "${name} -text" in .gitattributes`,
      { line: lineAt(text, carriage) },
    );
  }
  const lines = text.split("\n");
  const conflict = lines.findIndex((line) => CONFLICT.test(line));
  if (conflict >= 0) {
    throw fail(
      "conflict",
      "it has the marks of a merge that was not finished; delete the lines with the marks, keep all others, and sort the file: LC_ALL=C sort -u",
      { line: conflict + 1 },
    );
  }
  const end = lines.pop();
  if (end !== "") {
    throw fail("truncated", "the last line does not end, so something may be missing; restore the file", {
      line: lines.length + 1,
    });
  }
  const checked = readHeader(lines.shift() ?? "", (code, why) => fail(code, why, { line: 1 }));
  if (lines.length > MAX_LOCK_LINES) {
    throw fail("too-many-lines", `it has ${lines.length} records, and the limit is ${MAX_LOCK_LINES}`);
  }
  return { texts: lines, checked };
}

/** The day on which the file was checked, if it has one. */
function readHeader(
  header: string,
  fail: (code: LockErrorCode, why: string) => LockError,
): string | undefined {
  const [, version, checked] = ANY_HEADER.exec(header) ?? [];
  if (version === undefined) throw fail("bad-header", `it does not begin with "# tlog.lock ${VERSION}"`);
  if (Number(version) > VERSION) {
    throw fail(
      "newer-version",
      `it is of version ${version} of the format, and this tlog-dockerfile reads version ${VERSION}; update it`,
    );
  }
  return checked;
}

function lineAt(text: string, position: number): number {
  return text.slice(0, position).split("\n").length;
}

/** By bytes, as `LC_ALL=C sort` does; before the bundles differ, lines have nothing but ASCII. */
function compareLines(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

/** The line of a record; `undefined` when it has no bundle. */
export function recordLine(record: TagRecord): string | undefined {
  return record.bundle && formatLine(columnsOf(record), record.bundle);
}

/** A lock file of these lines, each once, checked on this day (UTC) if that is to be known. Throws LockError ("too-large", "too-many-lines"). */
export function joinLines(lines: readonly string[], checked?: string): string {
  const sorted = [...new Set(lines)].toSorted(compareLines);
  if (sorted.length > MAX_LOCK_LINES) {
    throw new LockError(
      "too-many-lines",
      `write the lock file: it would have ${sorted.length} records, and the limit is ${MAX_LOCK_LINES}`,
    );
  }
  const day = checked === undefined ? "" : ` checked ${checked}`;
  const text = [`# tlog.lock ${VERSION}${day} ${PURPOSE}`, ...sorted, ""].join("\n");
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_LOCK_BYTES) return text;
  throw new LockError(
    "too-large",
    `write the lock file: it would have ${bytes} bytes, and the limit is ${MAX_LOCK_BYTES}`,
  );
}

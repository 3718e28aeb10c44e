// SPDX-License-Identifier: Apache-2.0
import type { RecordErrorCode } from "../record/error.ts";

/**
 * What is wrong with a lock file.
 *
 * - `too-large`, `too-many-lines`: over the limits of the format
 * - `not-utf8`, `byte-order-mark`, `carriage-return`: not the text that was written, often an editor's or git's doing
 * - `empty`: nothing in it, as after a shell's `>`; a lock without records has its first line
 * - `truncated`: the last line has no end
 * - `conflict`: the marks of a merge that nobody finished
 * - `bad-header`: its first line is not that of a lock file
 * - `newer-version`, `newer-bundle`: written by a later version than this one reads
 * - `bad-line`: a line that is not made of the five columns, each in its only spelling
 * - `bad-bundle`: the last column is not a Sigstore bundle v0.3 in canonical JSON
 * - `unsorted`, `duplicate`: lines out of order, or two about one entry of a log
 * - `edited`: the columns say something else than the bundle proves
 * - `unproven`: the bundle does not prove what a record must prove; `reason` tells which of it
 */
export type LockErrorCode =
  | "too-large"
  | "too-many-lines"
  | "not-utf8"
  | "byte-order-mark"
  | "carriage-return"
  | "empty"
  | "truncated"
  | "conflict"
  | "bad-header"
  | "newer-version"
  | "newer-bundle"
  | "bad-line"
  | "bad-bundle"
  | "unsorted"
  | "duplicate"
  | "edited"
  | "unproven";

/** A lock file that is not what was written, or proves nothing. The message says which line, why, and what to do. */
export class LockError extends Error {
  override readonly name = "LockError";
  readonly code: LockErrorCode;
  /** 1-based; undefined when it is the file as a whole. */
  readonly line: number | undefined;
  /** Why the bundle of an `unproven` line is no record. */
  readonly reason: RecordErrorCode | undefined;

  constructor(
    code: LockErrorCode,
    message: string,
    { line, reason, ...options }: ErrorOptions & { line?: number; reason?: RecordErrorCode } = {},
  ) {
    super(message, options);
    this.code = code;
    this.line = line;
    this.reason = reason;
  }
}

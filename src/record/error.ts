// SPDX-License-Identifier: Apache-2.0

/**
 * Why an entry of a log, or a bundle, is not a record.
 *
 * - `unread`: the log's index names it, and the log does not give it: it has none, or fails at it
 * - `malformed`: not an entry, or an entry or statement that breaks a rule of its own format
 * - `not-a-sighting`: another kind of entry, payload or predicate; nothing is wrong with it
 * - `untrusted-signer`: signed by somebody who is not trusted here
 * - `bad-certificate`: names somebody trusted, and no trusted authority says so: a certificate of another authority,
 *   not valid at the log's time, or without proof of being in a certificate log. Everybody can make such an entry
 * - `no-payload`: the log did not bring the statement, only its hash (it stores them a moment after the entry)
 * - `wrong-payload`: the statement brought is not the one whose hash was logged
 * - `wrong-uuid`: shown under a UUID that is not its own
 * - `wrong-subject`: a sighting of another tag
 * - `replayed`: the log's time is too far from the time of observation: a copy logged again
 * - `unknown-log`: a log that the trusted root does not have
 * - `unnamed-log`: a log that the trusted root has and the policy does not name
 * - `not-in-log`: the log's promise, proof or checkpoint does not hold
 * - `bad-timestamp`: no timestamp of a trusted authority says when it was signed (Rekor v2, whose entries have no time)
 * - `wrong-entry`: the log's entry is about something else than the bundle it is in
 * - `bad-signature`: the envelope's signature does not hold
 * - `weaker-evidence`: tlogistry wrote it, which keeps no signature, and the policy does not let that count
 */
export type RecordErrorCode =
  | "unread"
  | "malformed"
  | "not-a-sighting"
  | "untrusted-signer"
  | "bad-certificate"
  | "no-payload"
  | "wrong-payload"
  | "wrong-uuid"
  | "wrong-subject"
  | "replayed"
  | "unknown-log"
  | "unnamed-log"
  | "not-in-log"
  | "bad-timestamp"
  | "wrong-entry"
  | "bad-signature"
  | "weaker-evidence";

/**
 * The reasons that say nothing against a statement of a trusted signer: only its content, or that it was logged, is not
 * shown. Such a statement may be the record that stands, so the tag is unknown, not new. The signer is proven first, as far
 * as the evidence goes, so that strangers cannot cause these reasons.
 */
export const UNPROVEN: ReadonlySet<RecordErrorCode> = new Set([
  "no-payload",
  "wrong-payload",
  "wrong-uuid",
  "unknown-log",
  "not-in-log",
  "bad-timestamp",
  "wrong-entry",
]);

/** The reasons that a newer trusted root, with more logs and authorities, may resolve. */
export const ROOT_TOO_OLD: ReadonlySet<RecordErrorCode> = new Set([
  "unknown-log",
  "bad-certificate",
  "bad-timestamp",
]);

/** An entry of a log, or a bundle, that is not a record; the cause, if any, is the proof's or the parser's own error. */
export class RecordError extends Error {
  override readonly name = "RecordError";
  readonly code: RecordErrorCode;

  constructor(code: RecordErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The error that refuses what is at this place. */
export function refusal(place: string, code: RecordErrorCode, why: string, cause?: unknown): RecordError {
  return new RecordError(code, `verify ${place}: ${why}`, { cause });
}

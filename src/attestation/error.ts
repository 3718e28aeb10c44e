// SPDX-License-Identifier: Apache-2.0
import type { RecordErrorCode } from "../record/error.ts";

/**
 * What is wrong with the evidence that an image carries, or is to carry.
 *
 * - `none`: it carries none of ours: it was built without us, or something on its way dropped it
 * - `several`: it carries more than the one that a build writes, and nobody can say which is its own
 * - `newer-version`: written by a later version than this one reads
 * - `wrong-image`: it is about another image: it was moved here
 * - `wrong-bytes`: the registry served something else than what was asked for by digest
 * - `malformed`: not of its format
 * - `too-large`: over the limits of the format
 * - `unproven`: a bundle in it does not prove a record of the image's tag; `reason` tells which of it
 */
export const EVIDENCE_ERROR_CODES = [
  "none",
  "several",
  "newer-version",
  "wrong-image",
  "wrong-bytes",
  "malformed",
  "too-large",
  "unproven",
] as const;

export type EvidenceErrorCode = (typeof EVIDENCE_ERROR_CODES)[number];

/** Evidence that is missing or is not what a build wrote. The message says what, of which image, and what to do. */
export class EvidenceError extends Error {
  override readonly name = "EvidenceError";
  readonly code: EvidenceErrorCode;
  /** Why a bundle is no record. */
  readonly reason: RecordErrorCode | undefined;

  constructor(
    code: EvidenceErrorCode,
    message: string,
    { reason, ...options }: ErrorOptions & { reason?: RecordErrorCode } = {},
  ) {
    super(message, options);
    this.code = code;
    this.reason = reason;
  }
}

/** Makes the error of what is wrong with evidence in this place: it is not of its format. */
export function malformed(place: string): (why: string, cause?: unknown) => EvidenceError {
  return (why, cause) => new EvidenceError("malformed", `read ${place}: ${why}`, { cause });
}

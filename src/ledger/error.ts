// SPDX-License-Identifier: Apache-2.0
import type { RecordErrorCode } from "../record/error.ts";
import type { LedgerFailure } from "./answer.ts";

/** A ledger that says nothing, or is not what its observer signed. The message says what of it, and why. */
export class LedgerError extends Error {
  override readonly name = "LedgerError";
  readonly code: LedgerFailure;
  /** Why a bundle in it proves nothing, if that is it. */
  readonly reason: RecordErrorCode | undefined;

  constructor(
    code: LedgerFailure,
    message: string,
    { reason, ...options }: ErrorOptions & { reason?: RecordErrorCode } = {},
  ) {
    super(message, options);
    this.code = code;
    this.reason = reason;
  }
}

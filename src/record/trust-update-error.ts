// SPDX-License-Identifier: Apache-2.0

/**
 * Why a TUF repository gave no newer trusted root.
 *
 * - `unreachable`: it could not be asked, or not in time
 * - `bad-file`: a file is missing, too long, not of its format, or not the one that signed metadata names
 * - `bad-signature`: too few of the keys that count have signed a file
 * - `rolled-back`: a file is of another version than the metadata above it says
 * - `expired`: metadata that is to be renewed by now has not been
 */
export type TrustUpdateErrorCode = "unreachable" | "bad-file" | "bad-signature" | "rolled-back" | "expired";

/** A trusted root that could not be renewed. What was trusted before still is. */
export class TrustUpdateError extends Error {
  override readonly name = "TrustUpdateError";
  readonly code: TrustUpdateErrorCode;

  constructor(code: TrustUpdateErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

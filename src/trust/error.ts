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

/**
 * `bad-root`: a trusted root that cannot be used; `not-a-key`: no public key in PEM; `unfit-key`: of a kind we cannot
 * use; `not-an-identity`: an issuer or an identity that no certificate has.
 */
export type TrustErrorCode = "bad-root" | "not-a-key" | "unfit-key" | "not-an-identity";

/** Something wrong in what the operator gave us to trust. */
export class TrustError extends Error {
  override readonly name = "TrustError";
  readonly code: TrustErrorCode;

  constructor(code: TrustErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

// SPDX-License-Identifier: Apache-2.0

/** `refused`: BuildKit ends the build at this word. `not-followed`: it may well expand it, and we cannot say to what. */
export type ShellWordErrorCode = "refused" | "not-followed";

/** A word that has no sure value. */
export class ShellWordError extends Error {
  override readonly name = "ShellWordError";
  readonly code: ShellWordErrorCode;

  constructor(code: ShellWordErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

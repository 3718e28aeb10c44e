// SPDX-License-Identifier: Apache-2.0

export type ServerErrorCode =
  /** This machine cannot have the servers: no Go, no root, no apt. */
  | "NOT_POSSIBLE"
  /** A server could not be installed. */
  | "NOT_INSTALLED"
  /** A server did not start, did not answer in time, or ended early. */
  | "NOT_STARTED";

/** What went wrong while real Sigstore servers were installed or started; the text names the log file. */
export class ServerError extends Error {
  override readonly name = "ServerError";
  readonly code: ServerErrorCode;

  constructor(code: ServerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

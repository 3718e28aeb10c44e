// SPDX-License-Identifier: Apache-2.0

/** `TOO_LARGE`: over our bounds. `SYNTAX`: BuildKit will refuse it too. `NOT_FOLLOWED`: we cannot say how it is read. */
export type DockerfileErrorCode = "TOO_LARGE" | "SYNTAX" | "NOT_FOLLOWED";

/** A Dockerfile whose stages we cannot tell. `line` counts from 1. */
export class DockerfileError extends Error {
  override readonly name = "DockerfileError";
  readonly code: DockerfileErrorCode;
  readonly line: number;

  constructor(code: DockerfileErrorCode, line: number, why: string, options?: ErrorOptions) {
    super(`read the Dockerfile, line ${line}: ${why}`, options);
    this.code = code;
    this.line = line;
  }
}

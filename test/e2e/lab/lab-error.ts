// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";

export type LabErrorCode =
  /** This machine cannot have a lab: not Linux, not root, no apt, no room. */
  | "NOT_POSSIBLE"
  /** Installing Debian packages did not work. */
  | "NOT_MADE"
  /** A daemon did not start, or ended early. */
  | "NOT_STARTED"
  /** A command took longer than it was given. */
  | "TIMEOUT"
  /** A command that must work ended with another exit code than 0. */
  | "COMMAND_FAILED"
  /** The registry answered with something else than it should. */
  | "REGISTRY"
  /** A lab that is in use cannot be removed. */
  | "IN_USE";

/** What went wrong while the lab was made, started or used; the text names the log file and its last lines. */
export class LabError extends Error {
  override readonly name = "LabError";
  readonly code: LabErrorCode;

  constructor(code: LabErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The last lines of a log file and its path, to end an error message with. */
export function tail(logFile: string, lines = 20): string {
  let text: string;
  try {
    text = readFileSync(logFile, "utf8");
  } catch {
    return `(there is no log file "${logFile}")`;
  }
  return `the log "${logFile}" ends with:\n${lastLines(text, lines)}`;
}

/** The last lines of a text, indented. */
export function lastLines(text: string, lines = 20): string {
  return text
    .trimEnd()
    .split("\n")
    .slice(-lines)
    .map((line) => `  ${line.slice(0, 500)}`)
    .join("\n");
}

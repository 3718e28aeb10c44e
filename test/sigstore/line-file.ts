// SPDX-License-Identifier: Apache-2.0
import { appendFileSync, existsSync, readFileSync } from "node:fs";

/** An append-only file of JSON lines, or nothing but memory when it was opened without a path. */
export interface LineFile {
  /** The values that were in the file when it was opened, in order. */
  readonly lines: readonly unknown[];
  /** Appends a value; it is in the file when this returns. */
  append(value: unknown): void;
}

/** A file that cannot be what it was written as. */
export class LineFileError extends Error {
  override readonly name = "LineFileError";
}

/** Opens the file, or starts a new one with the first append. Throws LineFileError when a line is not JSON. */
export function openLineFile(path: string | undefined): LineFile {
  if (path === undefined) return { lines: [], append: () => undefined };
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  const lines = text
    .split("\n")
    .filter((line) => line !== "")
    .map((line, index): unknown => {
      try {
        return JSON.parse(line);
      } catch (cause) {
        throw new LineFileError(
          `read log file "${path}": line ${index + 1} is not JSON; remove the file to begin an empty log`,
          { cause },
        );
      }
    });
  return { lines, append: (value) => appendFileSync(path, `${JSON.stringify(value)}\n`, { mode: 0o600 }) };
}

// SPDX-License-Identifier: Apache-2.0

/** The most columns of a line of ours; what a command prints is shown as it is. */
const COLUMNS = 88;

/** Where the demonstration is told. */
export interface Terminal {
  /** A heading with a rule above it. */
  heading(text: string): void;
  /** A paragraph in plain words, broken into lines. */
  say(text: string): void;
  /** A command line as it would be typed; each part after the first goes on a line of its own. */
  command(...parts: readonly string[]): void;
  /** What a file holds or a command printed, unchanged behind a bar. */
  quote(text: string): void;
  /** Lines of ours, as they are. */
  lines(...lines: readonly string[]): void;
}

/** Tells it to this function, which gets whole lines with their LF. */
export function terminal(write: (text: string) => void): Terminal {
  const lines = (...all: readonly string[]) => write(all.map((line) => `${line}\n`).join(""));
  return {
    lines,
    heading: (text) => lines("─".repeat(COLUMNS), text, ""),
    say: (text) => lines(...broken(text), ""),
    command: (...parts) => lines(`  $ ${parts.join(" \\\n      ")}`),
    quote(text) {
      const trimmed = text.replace(/\n+$/, "");
      lines(...trimmed.split("\n").map((line) => (line === "" ? "  │" : `  │ ${line}`)), "");
    },
  };
}

function broken(text: string): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > COLUMNS) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

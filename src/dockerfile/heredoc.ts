// SPDX-License-Identifier: Apache-2.0
import { splitRawWords } from "./shell-word.ts";
import { ShellWordError } from "./shell-word-error.ts";

/** A text that follows its instruction, up to a line that is `terminator`. */
export interface Heredoc {
  readonly terminator: string;
  /** Written as `<<-`: tabs before the terminator do not count. */
  readonly stripTabs: boolean;
}

// Go's `\s` and `\d` are the ASCII ones.
const HEREDOC = /^[0-9]*<<(-?)[\t\n\f\r ]*([^<]*)$/;

/** The words, or none when BuildKit cannot split the text either. Throws ShellWordError ("not-followed"). */
function wordsOrNone(text: string): string[] {
  try {
    return splitRawWords(text, { keepQuotes: true, keepEscapes: true });
  } catch (error) {
    if (error instanceof ShellWordError && error.code === "refused") return [];
    throw error;
  }
}

/**
 * The heredocs that an instruction opens, in the order in which their texts follow. The line is whole, with its
 * continuations joined. Throws ShellWordError for a terminator that BuildKit refuses.
 */
export function heredocsOf(line: string): Heredoc[] {
  if (!line.includes("<<")) return [];
  return wordsOrNone(line).flatMap((word) => {
    const [, dash, name] = HEREDOC.exec(word) ?? [];
    if (name === undefined || name === "") return [];
    const [terminator, ...more] = splitRawWords(name, { keepQuotes: false, keepEscapes: false });
    return terminator === undefined || more.length > 0 ? [] : [{ terminator, stripTabs: dash === "-" }];
  });
}

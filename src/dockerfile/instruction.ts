// SPDX-License-Identifier: Apache-2.0
import { isSpace, trimSpace } from "./white-space.ts";

/** The first and the last line of an instruction, from 1; the texts of its heredocs belong to it. */
export interface LineRange {
  readonly start: number;
  readonly end: number;
}

/** One instruction, its continuation lines joined and its comments and heredocs taken out. */
export interface Instruction {
  /** In lower case, as in `from`. */
  readonly keyword: string;
  /** The `--name=value` words after the keyword, without their quotes. */
  readonly flags: readonly string[];
  /** What follows the flags, as written. */
  readonly rest: string;
}

/** Go's lower case, which unlike JavaScript's makes one character of one. */
function lowerCase(text: string): string {
  return text.replaceAll("\u0130", "i").toLowerCase();
}

/** Cuts the flags off, their quotes and escapes removed. The text is bytes as characters, as BuildKit goes through it. */
function splitFlags(bytes: string, escape: string): { flags: string[]; rest: string } {
  const flags: string[] = [];
  for (let at = 0; ;) {
    while (isSpace(bytes[at])) at++;
    if (!bytes.startsWith("--", at)) return { flags, rest: bytes.slice(at) };
    let word = "";
    let quote = "";
    for (; at < bytes.length; at++) {
      const char = bytes[at] ?? "";
      if (quote === "" && isSpace(char)) break;
      if (char === quote) quote = "";
      else if (quote === "" && (char === "'" || char === '"')) quote = char;
      else if (char === escape) word += bytes[++at] ?? "";
      else word += char;
    }
    if (word === "--") return { flags, rest: bytes.slice(at) };
    flags.push(word);
  }
}

/** Takes one joined line apart. */
export function readInstruction(line: string, escape: string): Instruction {
  const text = trimSpace(line);
  const [keyword = ""] = /^[^\t\v\f\r ]*/.exec(text) ?? [];
  const [blanks = ""] = /^[\t\v\f\r ]*/.exec(text.slice(keyword.length)) ?? [];
  const after = text.slice(keyword.length + blanks.length);
  if (!after.startsWith("--")) return { keyword: lowerCase(keyword), flags: [], rest: trimSpace(after) };
  const { flags, rest } = splitFlags(Buffer.from(after, "utf8").toString("latin1"), escape);
  return {
    keyword: lowerCase(keyword),
    flags,
    rest: trimSpace(Buffer.from(rest, "latin1").toString("utf8")),
  };
}

/** The values of the flag `--name=value`, in their order. */
export function flagValues(instruction: Instruction, name: string): string[] {
  const start = `--${name}=`;
  return instruction.flags.filter((flag) => flag.startsWith(start)).map((flag) => flag.slice(start.length));
}

/** The words of an ARG: split at white space, but not within quotes, which stay as written. */
export function splitQuotedWords(text: string, escape: string): string[] {
  const words: string[] = [];
  const chars = Array.from(text);
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? "";
    if (quote === "" && isSpace(char)) {
      if (word !== undefined && word !== "") words.push(word);
      word = undefined;
      continue;
    }
    word ??= "";
    if (char === escape && quote !== "'") {
      // An escape character that ends the line is nothing.
      if (at + 1 < chars.length) word += char + (chars[++at] ?? "");
      continue;
    }
    if (quote === "" && (char === "'" || char === '"')) quote = char;
    else if (char === quote) quote = "";
    word += char;
  }
  if (word !== undefined && word !== "") words.push(word);
  return words;
}

/** Whether the arguments are BuildKit's other form, a JSON list. */
export function isJsonList(rest: string): boolean {
  if (!rest.startsWith("[")) return false;
  try {
    return Array.isArray(JSON.parse(rest));
  } catch {
    return false;
  }
}

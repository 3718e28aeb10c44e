// SPDX-License-Identifier: Apache-2.0
import { DockerfileError } from "./dockerfile-error.ts";
import { trimLineEnd, trimStart } from "./white-space.ts";

/** A `# name=value` line at the top of a Dockerfile. */
interface Directive {
  readonly name: "syntax" | "escape" | "check";
  readonly value: string;
}

/** BuildKit's bound for one line, in bytes. */
export const MAX_LINE = 65_536;

/** Whether BuildKit's line reader gives up at this line. */
export function isLongLine(line: string): boolean {
  return line.length * 3 >= MAX_LINE && Buffer.byteLength(line) >= MAX_LINE;
}

/** The lines of a Dockerfile without their newlines, and without the byte order mark of the first. */
export function splitLines(text: string): string[] {
  const lines = (text.startsWith("\ufeff") ? text.slice(1) : text).split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function readDirective(line: string, comment: "#" | "//"): Directive | undefined {
  if (!line.startsWith(comment)) return undefined;
  const [head, name] =
    /^([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=/.exec(trimStart(line.slice(comment.length))) ?? [];
  if (head === undefined || name === undefined) return undefined;
  const known = name.toLowerCase();
  if (known !== "syntax" && known !== "escape" && known !== "check") return undefined;
  const after = trimStart(line.slice(comment.length)).slice(head.length);
  if (after === "") return undefined;
  const value = trimAscii(after);
  // A value of blanks is its last blank, by the regular expression that BuildKit uses.
  return { name: known, value: value === "" ? after.slice(-1) : value };
}

function isBlank(char: string | undefined): boolean {
  return char !== undefined && "\t\n\f\r ".includes(char);
}

function trimAscii(text: string): string {
  let start = 0;
  let end = text.length;
  while (isBlank(text[start])) start++;
  while (end > start && isBlank(text[end - 1])) end--;
  return text.slice(start, end);
}

/** The escape character that the lines at the top set, a backslash by default. Throws DockerfileError ("SYNTAX"). */
export function readEscape(lines: readonly string[]): "\\" | "`" {
  const seen = new Set<string>();
  let escape: "\\" | "`" = "\\";
  for (const [index, line] of lines.entries()) {
    const directive = readDirective(trimStart(trimLineEnd(line)), "#");
    if (directive === undefined) break;
    if (seen.has(directive.name)) {
      throw new DockerfileError("SYNTAX", index + 1, `the directive "${directive.name}" is there twice`);
    }
    seen.add(directive.name);
    if (directive.name !== "escape") continue;
    if (directive.value !== "\\" && directive.value !== "`") {
      throw new DockerfileError(
        "SYNTAX",
        index + 1,
        "the escape character is neither a backslash nor a backquote",
      );
    }
    escape = directive.value;
  }
  return escape;
}

function findSyntax(lines: readonly string[], comment: "#" | "//"): string | undefined {
  const seen = new Set<string>();
  for (const line of lines) {
    if (isLongLine(line)) return undefined;
    const directive = readDirective(line.replace(/\r$/, ""), comment);
    if (directive === undefined || seen.has(directive.name)) return undefined;
    if (directive.name === "syntax") return directive.value.split(" ", 1)[0];
    seen.add(directive.name);
  }
  return undefined;
}

function findJsonSyntax(text: string): string | undefined {
  if (!/^[\t\n\r ]*\{/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, "syntax")) return undefined;
    const syntax: unknown = Object.entries(value).find(([key]) => key === "syntax")?.[1];
    return typeof syntax === "string" ? syntax : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The image that the Dockerfile itself names as its frontend, as BuildKit finds it: `# syntax=` at the top, the
 * same with `//`, or `{"syntax": …}` when the whole file is JSON; a first line `#!…` is passed over. The text is
 * as written, possibly not an image reference, possibly empty; undefined when no such line is there.
 */
export function syntaxLine(text: string): string | undefined {
  const whole = text.startsWith("\ufeff") ? text.slice(1) : text;
  const newline = whole.indexOf("\n");
  const body = whole.startsWith("#!") ? (newline < 0 ? "" : whole.slice(newline + 1)) : whole;
  const lines = body.split("\n");
  return findSyntax(lines, "#") ?? findSyntax(lines, "//") ?? findJsonSyntax(body);
}

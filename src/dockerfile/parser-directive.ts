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

function readDirective(line: string): Directive | undefined {
  if (!line.startsWith("#")) return undefined;
  const [head, name] = /^([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=/.exec(trimStart(line.slice(1))) ?? [];
  if (head === undefined || name === undefined) return undefined;
  const known = name.toLowerCase();
  if (known !== "syntax" && known !== "escape" && known !== "check") return undefined;
  const after = trimStart(line.slice(1)).slice(head.length);
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
    const directive = readDirective(trimStart(trimLineEnd(line)));
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

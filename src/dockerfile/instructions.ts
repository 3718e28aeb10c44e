// SPDX-License-Identifier: Apache-2.0
import { DockerfileError } from "./dockerfile-error.ts";
import { type Heredoc, heredocsOf } from "./heredoc.ts";
import { type Instruction, isJsonList, type LineRange, readInstruction } from "./instruction.ts";
import { isLongLine, MAX_LINE, readEscape, splitLines } from "./parser-directive.ts";
import { ShellWordError } from "./shell-word-error.ts";
import { trimLineEnd, trimStart } from "./white-space.ts";

// Why no parser package: which lines are FROM lines decides which base images we judge that the LLB does not
// show, so the reading has to be BuildKit's own. dockerfile-ast 0.7.1 loses a FROM after a line that ends in two
// escape characters, sees one inside `RUN cat << EOF`, `RUN 3<<EOF` and `RUN <<'E F'`, and cuts words otherwise. It
// also costs 4 ms to load, 5 ms for a first small file (bundled, Node 24) and 1.1 to 1.4 s for 1 MiB; what stands
// here costs 0.5 ms, 2 ms and 0.2 s. It was compared with BuildKit's own parser on 25,000 random Dockerfiles.

/** An instruction with its place in the file. */
export interface PlacedInstruction extends Instruction {
  readonly lines: LineRange;
}

/** A Dockerfile taken apart. */
export interface Instructions {
  /** The escape character: a backslash, or a backquote when the file says so. */
  readonly escape: string;
  readonly instructions: readonly PlacedInstruction[];
}

/** The longest Dockerfile that is read, in characters. */
export const MAX_DOCKERFILE = 1_048_576;

/** The line without its continuation character, or undefined when it ends its instruction. */
function continued(line: string, escape: string): string | undefined {
  let end = line.length;
  while (line[end - 1] === " " || line[end - 1] === "\t") end--;
  // Two escape characters are one that is escaped, not a continuation.
  if (line[end - 1] !== escape || line[end - 2] === escape) return undefined;
  return line.slice(0, end - 1);
}

function isBlankOrComment(line: string | undefined): boolean {
  return line !== undefined && /^(?:#|$)/.test(trimStart(trimLineEnd(line)));
}

/** Joins the lines of the instruction that begins at `at`; blank lines and comments between them do not count. */
function joinLines(
  lines: readonly string[],
  { at, escape }: { at: number; escape: string },
): { line: string; next: number } {
  const parts: string[] = [];
  let next = at;
  let line = trimStart(trimLineEnd(lines[next++] ?? ""));
  for (;;) {
    const open = continued(line, escape);
    parts.push(open ?? line);
    if (open === undefined) break;
    while (isBlankOrComment(lines[next])) next++;
    if (next >= lines.length) break;
    line = trimLineEnd(lines[next++] ?? "");
  }
  return { line: parts.join(""), next };
}

function mayOpenHeredocs({ keyword, rest }: Instruction, escape: string): boolean {
  const inner = keyword === "onbuild" ? readInstruction(rest, escape) : { keyword, rest };
  return ["add", "copy", "run"].includes(inner.keyword) && !isJsonList(inner.rest);
}

/** The line after the texts of these heredocs. */
function skipHeredocs(
  lines: readonly string[],
  { heredocs, start, next }: { heredocs: readonly Heredoc[]; start: number; next: number },
): number {
  let at = next;
  for (const { terminator, stripTabs } of heredocs) {
    const isEnd = (line: string) => {
      const text = trimLineEnd(line);
      return (stripTabs ? text.replace(/^\t+/, "") : text) === terminator;
    };
    while (at < lines.length && !isEnd(lines[at] ?? "")) at++;
    if (at >= lines.length)
      throw new DockerfileError("SYNTAX", start, `no line "${terminator.slice(0, 160)}" ends its heredoc`);
    at++;
  }
  return at;
}

function openHeredocs(line: string, start: number): Heredoc[] {
  try {
    return heredocsOf(line);
  } catch (cause) {
    if (!(cause instanceof ShellWordError)) throw cause;
    const code = cause.code === "refused" ? "SYNTAX" : "NOT_FOLLOWED";
    throw new DockerfileError(code, start, `its heredocs cannot be told: ${cause.message}`, { cause });
  }
}

/** Reads the instructions of a Dockerfile exactly as BuildKit's parser does. Throws DockerfileError. */
export function readInstructions(text: string): Instructions {
  if (text.length > MAX_DOCKERFILE) {
    throw new DockerfileError("TOO_LARGE", 1, `it is longer than ${MAX_DOCKERFILE} characters`);
  }
  const lines = splitLines(text);
  const long = lines.findIndex(isLongLine);
  if (long >= 0) throw new DockerfileError("SYNTAX", long + 1, `it is longer than ${MAX_LINE - 1} bytes`);

  const escape = readEscape(lines);
  const instructions: PlacedInstruction[] = [];
  for (let at = 0; at < lines.length;) {
    if (isBlankOrComment(lines[at])) {
      at++;
      continue;
    }
    const start = at + 1;
    const { line, next } = joinLines(lines, { at, escape });
    const instruction = readInstruction(line, escape);
    const heredocs =
      line.includes("<<") && mayOpenHeredocs(instruction, escape) ? openHeredocs(line, start) : [];
    at = skipHeredocs(lines, { heredocs, start, next });
    instructions.push({ ...instruction, lines: { start, end: at } });
  }
  return { escape, instructions };
}

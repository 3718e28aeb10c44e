// SPDX-License-Identifier: Apache-2.0
import { parseReference, type Reference } from "../image/reference.ts";
import { RELEASE } from "./release.ts";

/** Names of parser directives: a run of them at a Dockerfile's start is read, and nothing behind it. */
const DIRECTIVES = new Set(["syntax", "escape", "check"]);
const HASH_DIRECTIVE = /^\s*#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const SLASH_DIRECTIVE = /^\s*\/\/\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;

const OUR_MINOR = Number(RELEASE.dockerfile.split(".")[1]);

/** The line's place in the file, and what it says. */
export interface SyntaxLine {
  /** 1-based. */
  readonly line: number;
  /** As it is written: `docker/dockerfile:1`. */
  readonly image: string;
}

/**
 * The syntax line of a Dockerfile, as BuildKit looks for it: behind `#`, behind `//`, or as a JSON file's `syntax`. Undefined
 * when there is none.
 */
export function syntaxLineOf(data: Uint8Array): SyntaxLine | undefined {
  const text = new TextDecoder().decode(data);
  const lines = text.split("\n");
  const first = lines[0]?.startsWith("#!") ? 1 : 0;
  return (
    directiveIn(lines, first, HASH_DIRECTIVE) ??
    directiveIn(lines, first, SLASH_DIRECTIVE) ??
    jsonSyntax(lines.slice(first).join("\n"), first + 1)
  );
}

/** Whether the conversion that we bring along is what such an image would do: the standard one, not newer than ours. */
export function isStandard(image: string): boolean {
  const reference = readReference(image);
  if (reference?.registry !== "docker.io" || reference.repository !== "docker/dockerfile") return false;
  if (reference.digest !== undefined) return false;
  const [, minor] = /^1(?:\.(\d{1,4}))?$/.exec(reference.tag ?? "") ?? [undefined, "none"];
  return minor === undefined || Number(minor) <= OUR_MINOR;
}

/** The image's reference, or undefined for text that is none. */
export function readReference(image: string): Reference | undefined {
  try {
    return parseReference(image);
  } catch {
    return undefined;
  }
}

function directiveIn(lines: readonly string[], from: number, pattern: RegExp): SyntaxLine | undefined {
  const seen = new Set<string>();
  for (let index = from; index < lines.length; index += 1) {
    const [, name = "", value = ""] = pattern.exec(lines[index] ?? "") ?? [];
    const key = name.toLowerCase();
    if (!DIRECTIVES.has(key) || seen.has(key)) return undefined;
    seen.add(key);
    if (key === "syntax") return { line: index + 1, image: value.split(" ", 1)[0] ?? "" };
  }
  return undefined;
}

function jsonSyntax(text: string, line: number): SyntaxLine | undefined {
  if (!text.trimStart().startsWith("{")) return undefined;
  try {
    const { syntax } = JSON.parse(text) as { readonly syntax?: unknown };
    return typeof syntax === "string" ? { line, image: syntax } : undefined;
  } catch {
    return undefined;
  }
}

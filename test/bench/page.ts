// SPDX-License-Identifier: Apache-2.0
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const DOCS = join(import.meta.dirname, "../../docs");
const PAGE = "performance.md";

/** What a benchmark puts into docs/performance.md. */
export interface Section {
  /** Of the marks between which it stands: `<!-- made: NAME -->` and `<!-- end -->`. */
  readonly name: string;
  readonly text: string;
  /** SVG texts by the names of their files below docs/images. */
  readonly plots: ReadonlyMap<string, string>;
}

/** Writes it into the page, and its plots beside the page. Throws TypeError when the page has no such place. */
export function writeSection({ name, text, plots }: Section): void {
  const path = join(DOCS, PAGE);
  const page = withSection(readFileSync(path, "utf8"), name, text);
  for (const [file, svg] of plots) writeFileSync(join(DOCS, "images", file), svg);
  writeFileSync(path, page);
}

/** The page with this text between the marks of this name. Throws TypeError when they are not there. */
export function withSection(page: string, name: string, text: string): string {
  const begin = `<!-- made: ${name} -->\n`;
  const end = "<!-- end -->";
  const [before, after] = page.split(begin);
  const [, rest] = (after ?? "").split(new RegExp(`${end}([^]*)`));
  if (before === undefined || after === undefined || rest === undefined)
    throw new TypeError(`write "${PAGE}": it has no place "${name}"`);
  return `${before}${begin}\n${text.trim()}\n\n${end}${rest}`;
}

/** A table of Markdown: the first column to the left, the others to the right. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = `|${head.map((_, column) => (column === 0 ? "---" : "---:")).join("|")}|`;
  return [line(head), rule, ...body.map(line)].join("\n");
}

// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";

/** A fenced block of a page. */
export interface DocumentedFile {
  readonly language: string;
  /** The file that the first line names in a comment, as in `# tlog.policy.yaml, beside the Dockerfile`. */
  readonly name: string;
  readonly text: string;
  /** `docs/recipes.md:12`. */
  readonly place: string;
}

/** The fenced blocks of a page under docs/. */
export function documentedFiles(page: string): DocumentedFile[] {
  const text = readFileSync(`docs/${page}`, "utf8");
  return [...text.matchAll(/^```([a-z]*)\n([^]*?)^```$/gm)].map(
    ({ 1: language = "", 2: block = "", index }) => ({
      language,
      name: /^# ([^\s,]+)/.exec(block)?.[1] ?? "",
      text: block,
      place: `docs/${page}:${text.slice(0, index).split("\n").length}`,
    }),
  );
}

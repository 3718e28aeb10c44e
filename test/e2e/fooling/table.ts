// SPDX-License-Identifier: Apache-2.0
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { REPOSITORY } from "../lab/frontend-image.ts";
import type { FoolingCase } from "./case.ts";
import type { Played } from "./play.ts";

/** One line of the table. */
export interface Row {
  readonly kind: string;
  readonly tries: string;
  readonly expect: FoolingCase["expect"];
  readonly played: Pick<Played, "end" | "wrong">;
}

/** Writes docs/fooling-set.md: each case, how it must end, how it ended. */
export async function writeTable(rows: readonly Row[]): Promise<void> {
  await writeFile(join(REPOSITORY, "docs/fooling-set.md"), table(rows));
}

/** The table as Markdown. */
export function table(rows: readonly Row[]): string {
  const honest = rows.filter(({ expect }) => expect === "built").length;
  const failed = rows.filter(({ played }) => played.wrong.length > 0).length;
  const kinds = [...new Set(rows.map(({ kind }) => kind))];
  return [
    "# The fooling set",
    "",
    "<!-- made by test/e2e/fooling-set.e2e.ts -->",
    "",
    `${rows.length} builds on a real engine, made to get an image past the frontend; ${honest} of them are honest and must be built.`,
    "Two oracles look at each, and neither knows how the frontend works: the registry's request log (each manifest and",
    "configuration that was fetched belongs to an image that the build's report or error names, and no layer to an image",
    "that must not get in), and a marker in the files, environment and labels of such images, which must not be in the",
    "build's output, in its result, or in the builder's cache.",
    "",
    failed === 0 ? "All of them ended as they must." : `**${failed} of them did not end as they must.**`,
    ...kinds.flatMap((kind) => [
      "",
      `## ${kind}`,
      "",
      "| it tries | must end | ended |",
      "|---|---|---|",
      ...rows.filter((row) => row.kind === kind).map(line),
    ]),
    "",
  ].join("\n");
}

function line({ tries, expect, played }: Row): string {
  const must = typeof expect === "string" ? expect : expect.join(" or ");
  const end = played.wrong.length === 0 ? played.end : `**${played.end}: ${played.wrong[0]}**`;
  return `| ${[tries, must, end].map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

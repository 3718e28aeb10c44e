// SPDX-License-Identifier: Apache-2.0
import { checksOf, type Row, type Section } from "./conformance-row.ts";

/** What was seen: by whom, of which row, on which target. */
export interface Seen {
  readonly row: Row;
  readonly by: string;
  readonly target: string;
  readonly text: string;
}

const INTRODUCTION = `# Conformance

What \`npm run test:sigstore\` saw: the same checks on the development Sigstore of the tests (\`test/sigstore/\`) and on
a real Rekor v1 with Trillian, and what cosign and rekor-cli said about both. The run writes this file, and fails when
it differs from the one that is committed.
`;
const TOOLS = ["cosign", "rekor-cli"];

/**
 * The table of what was seen, in Markdown: a column for each target, where our code looked, and one for each tool,
 * which looked at what all targets gave. Holds nothing that differs from one run to the next.
 */
export function conformanceTable(
  sections: readonly Section[],
  { targets, seen }: { readonly targets: readonly string[]; readonly seen: readonly Seen[] },
): string {
  const columns = ["", ...targets, ...TOOLS];
  const lines = sections.flatMap(({ title, rows }) => [
    `## ${title}`,
    "",
    line(columns),
    line(columns.map(() => "---")),
    ...rows.map((row) =>
      line([
        row.says,
        ...targets.map((target) => cell(find(seen, { row, by: "ours", target }))),
        ...TOOLS.map((by) => toolCell(row, { by, targets, seen })),
      ]),
    ),
    "",
  ]);
  return `${INTRODUCTION}\n${lines.join("\n")}`;
}

function toolCell(
  row: Row,
  { by, targets, seen }: { by: string; targets: readonly string[]; seen: readonly Seen[] },
): string {
  if (!checksOf(row).has(by)) return "";
  const texts = targets.map((target) => cell(find(seen, { row, by, target })));
  const [first = ""] = texts;
  if (texts.every((text) => text === first)) return first;
  return targets.map((target, i) => `${target}: ${texts[i] ?? ""}`).join("; ");
}

function find(seen: readonly Seen[], what: Omit<Seen, "text">): string | undefined {
  return seen.find(({ row, by, target }) => row === what.row && by === what.by && target === what.target)
    ?.text;
}

function cell(text: string | undefined): string {
  return text?.replaceAll("|", "\\|") ?? "";
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

// SPDX-License-Identifier: Apache-2.0
import { LOGS, type Row, type Section, TOOLS } from "./conformance-row.ts";

/** What was seen: by whom, of which row, on which target and which of the section's servers there. */
export interface Seen {
  readonly row: Row;
  readonly by: string;
  readonly target: string;
  readonly server: number;
  readonly text: string;
}

/** The targets, as checks and the table call them. */
export const DEVELOPMENT = "development";
export const REAL = "real";

const INTRODUCTION = `# Conformance

What \`npm run test:sigstore\` saw: the same checks on the development Sigstore of the tests (\`test/sigstore/\`) and on
the real servers (Rekor v1 with Trillian, Rekor v2, Fulcio with a certificate log, the timestamp authority), and what
cosign and rekor-cli said about the logs of both. The run writes this file, and fails when it differs from the one that
is committed.

Where cosign takes an answer that was changed, it does not read the part: of a bundle of Rekor v2 it goes by the
checkpoint alone, and makes the entry's body itself.
`;

/**
 * The table of what was seen, in Markdown: a column for the development Sigstore, one for each real server, where our
 * code looked, and one for each tool, which looked at what all of them gave. Holds nothing that differs from one run to
 * the next.
 */
export function conformanceTable(sections: readonly Section[], seen: readonly Seen[]): string {
  const lines = sections.flatMap(({ title, rows, servers }) => {
    const real = servers ?? LOGS;
    const tools = servers === undefined ? TOOLS : [];
    const columns = ["", DEVELOPMENT, ...real, ...tools];
    return [
      `## ${title}`,
      "",
      line(columns),
      line(columns.map(() => "---")),
      ...rows.map((row) => {
        const of = seen.filter((one) => one.row === row);
        const ours = of.filter(({ by }) => by === "ours");
        return line([
          row.says,
          cell(
            ours.filter(({ target }) => target === DEVELOPMENT),
            real,
          ),
          ...real.map((_, i) =>
            cell(
              ours.filter(({ target, server }) => target === REAL && server === i),
              real,
            ),
          ),
          ...tools.map((tool) =>
            cell(
              of.filter(({ by }) => by === tool),
              real,
            ),
          ),
        ]);
      }),
      "",
    ];
  });
  return `${INTRODUCTION}\n${lines.join("\n")}`;
}

/** What was seen, once if it was the same everywhere, and else with where. */
function cell(seen: readonly Seen[], servers: readonly string[]): string {
  const said = textOf(seen);
  if (said !== undefined) return said;
  const byServer = servers.flatMap((name, server) => {
    const here = seen.filter((one) => one.server === server);
    const text = textOf(here);
    if (text !== undefined) return here.length === 0 ? [] : [`${name}: ${text}`];
    return here.map((one) => `${name} (${one.target}): ${escaped(one.text)}`).toSorted();
  });
  return byServer.join("; ");
}

/** What all of them are; undefined when they differ. */
function textOf(seen: readonly Seen[]): string | undefined {
  const texts = new Set(seen.map(({ text }) => escaped(text)));
  return texts.size > 1 ? undefined : [...texts].join("");
}

function escaped(text: string): string {
  return text.replaceAll("|", "\\|");
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

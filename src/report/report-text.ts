// SPDX-License-Identifier: Apache-2.0
import { ignoredEntries, logHost, signerOf } from "./phrases.ts";
import type { MessageName } from "./message-names.ts";
import { refusalMessage } from "./messages.ts";
import type { PlacedJudgement } from "./place.ts";
import type { Report, ReportedImage, Unjudged } from "./report.ts";
import type { ToldBuild } from "./ways-out.ts";

export const MARK = { pass: "ok", warn: "WARNING", refuse: "REFUSED" } as const;
/** What the verdict leaves out. */
const NOTES: Partial<Readonly<Record<MessageName, string>>> = {
  SamePlatforms: "a new index of the manifests that are recorded",
  Superseded: "named by its digest; another image was approved since",
};
/** Whole sha256 digests behind labels of this width end in column 80. */
const LABEL_WIDTH = 6;

/**
 * The report as people read it: a block for each image, the count, and the details of images that are refused or
 * warned about. `judgements` are those that the report was made from.
 */
export function reportText(report: Report, judgements: readonly PlacedJudgement[], build: ToldBuild): string {
  const troubled = judgements.filter(({ outcome }) => outcome !== "pass");
  const parts = [reportTable(report), ...(troubled.length > 0 ? [refusalMessage(troubled, build)] : [])];
  return `${parts.join("\n\n")}\n`;
}

/** What is said of what goes into a build and is not judged, a line each. */
export function unjudgedLines({ cacheImports, unjudgedContexts }: Unjudged): string[] {
  return [
    ...cacheImports.map(
      ({ type, reference }) =>
        `cache imported from ${reference ?? `type=${type}`}: not judged, let in by the policy`,
    ),
    ...unjudgedContexts.map(
      ({ name, type }) =>
        `context ${JSON.stringify(name)} (${type}) has no tag that a log could know: not judged`,
    ),
  ];
}

/** The blocks of the images and the count alone, without an end of the last line. */
export function reportTable(report: Report): string {
  const heads = aligned(
    report.images.map(({ outcome, verdict, reference, lines }) => [
      MARK[outcome],
      verdict,
      reference,
      linesText(lines),
    ]),
    "  ",
  );
  const blocks = report.images.map((image, index) => [heads[index] ?? "", ...details(image)].join("\n"));
  const unjudged = unjudgedLines(report);
  return [...blocks, ...(unjudged.length > 0 ? [unjudged.join("\n")] : []), summary(report)].join("\n\n");
}

/** Rows with their columns below each other, `gap` between them. */
export function aligned(rows: readonly (readonly string[])[], gap: string): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(gap)
      .trimEnd(),
  );
}

function details(image: ReportedImage): string[] {
  const { message, digest, record, newer, served, superseded, until, detail, rule, namedBy } = image;
  const { foreign = [], ledgers = [], unread = [], remembered, rejected } = image;
  // No rule is about an image without a tag or a digest.
  const isRuled = image.verdict !== "by-digest" && image.verdict !== "unpinned";
  const rows: [label: string, text: string | undefined][] = [
    ["named", namedBy && `by an ONBUILD of ${namedBy}`],
    ["digest", digest],
    // The same digest twice would only have to be compared.
    ["record", record?.digest === digest ? undefined : record?.digest],
    ["now", served],
    ["before", superseded?.digest],
    ["since", record && `${record.loggedAt}, log index ${record.logIndex} of ${logHost(record.log)}`],
    ["signer", record && signerOf(record)],
    ["newer", newer && `${newer.loggedAt}, log index ${newer.logIndex}`],
    ["until", until],
    ["action", rule && isRuled ? `${rule.action} (${rule.source})` : undefined],
    ["why", isRuled ? rule?.why : undefined],
    ["note", NOTES[message]],
    ["detail", detail],
    ...foreign.flatMap((other): typeof rows => [
      ["others", other.digest],
      ["", `seen ${other.loggedAt}, log index ${other.logIndex}`],
      ["", `by ${signerOf(other)}, who is not trusted here`],
    ]),
    ...ledgers.flatMap(({ name, digest: seen, loggedAt }): typeof rows => [
      ["ledger", `${name}, which does not agree:`],
      ["", seen],
      ["", `since ${loggedAt}`],
    ]),
    ...unread.flatMap(({ ledger, reason, detail: why }): typeof rows => [
      ["unread", `${ledger} (${reason})`],
      ["", why],
    ]),
    ["asked", remembered && `on ${remembered}; remembered by the builder`],
    ["log", ignoredEntries(Object.entries(rejected))],
  ];
  return rows.flatMap(([label, text]) => (text ? [`  ${label.padEnd(LABEL_WIDTH)} ${text}`] : []));
}

/** `Dockerfile:2, 9-10`; each file once. */
function linesText(lines: ReportedImage["lines"]): string {
  const files = Map.groupBy(lines, ({ file }) => file);
  return [...files]
    .map(([file, ranges]) => {
      const numbers = ranges.map(({ start, end }) => (start === end ? `${start}` : `${start}-${end}`));
      return `${file}:${numbers.join(", ")}`;
    })
    .join(", ");
}

function summary({ images, policy }: Report): string {
  const count = (outcome: ReportedImage["outcome"]) =>
    images.filter((image) => image.outcome === outcome).length;
  const counts = [
    `${images.length} ${images.length === 1 ? "image" : "images"}`,
    `${count("refuse")} refused`,
    `${count("warn")} with a warning`,
  ];
  return `${counts.join(", ")} (policy profile: ${policy.profile})`;
}

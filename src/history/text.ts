// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../log/excerpt.ts";
import { ignoredEntries, logHost, signerOf } from "../report/phrases.ts";
import { aligned } from "../report/report-text.ts";
import type { ToldDiff, ToldHistory, ToldPlace } from "./format.ts";

/** What a text is laid out for when nobody says how wide it may be, in columns; digests end in the last of them. */
export const NARROW = 80;
/** The widest that is used. */
export const WIDE = 120;

/** Whole sha256 digests behind labels of this width end in column 80. */
const LABEL_WIDTH = 6;
const INDENT = " ".repeat(LABEL_WIDTH + 3);

type Row = readonly [label: string, text: string | undefined];
type ToldRecord = ToldHistory["events"][number]["record"];

const WHAT = {
  "first-seen": "first seen",
  "seen-again": "seen again",
  moved: "moved",
  approved: "approved",
  "approved-in-vain": "approved, without effect",
  "not-counted": "seen by who may only vouch",
} as const satisfies Record<ToldHistory["events"][number]["what"], string>;

const KIND = { "lock-file": "lock file", ledger: "ledger", log: "log" } as const;

/** A history as people read it, at most `width` columns wide but for digests of other kinds than sha256. */
export function historyText(told: ToldHistory, width = NARROW): string {
  const { events, foreign, places, contradictions, rejected } = told;
  const heads = aligned(
    events.map(({ what, record, places: havers }) => [record.loggedAt, WHAT[what], indexes(havers)]),
    "  ",
  );
  const blocks = events.map(({ record }, index) => [heads[index] ?? "", ...rows(details(record), width)]);
  const others = foreign.map(({ record, places: havers }) => [
    `${record.loggedAt}  seen by a signer who is not trusted here  ${indexes(havers)}`,
    ...rows(details(record), width),
  ]);
  const ignored = ignoredEntries(Object.entries(rejected));
  const parts = [
    summary(told, width),
    ...blocks,
    ...others,
    ...(contradictions.length > 0
      ? [contradictions.flatMap((each) => wrapped(`CONTRADICTION  ${excerpt(each, 2000)}`, width, "  "))]
      : []),
    placesText(places, width),
    ...(ignored ? [wrapped(ignored, width, "  ")] : []),
  ];
  return `${parts.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

function summary(
  { image, at, stands, newest, followed, trusting, events }: ToldHistory,
  width: number,
): string[] {
  const isNewer = newest !== undefined && newest.digest !== stands?.record.digest;
  const nobody = trusting
    ? undefined
    : 'nobody is trusted: no policy and no ledger names a signer, so no record counts; name signers under "trust" in tlog.policy.yaml';
  const since = at === undefined ? "" : " by then";
  return [
    ...wrapped(excerpt(image, 512), width, "  "),
    ...rows(
      [
        ["at", at],
        ["stands", stands?.record.digest ?? (events.length === 0 ? undefined : `nothing${since}`)],
        ["why", stands && whyItStands(stands)],
        ["newest", isNewer ? newest.digest : undefined],
        [
          "",
          isNewer
            ? `logged ${newest.loggedAt}, ${followed ? "which counts: the policy follows the tag" : "and it does not stand"}`
            : undefined,
        ],
        ["", events.length === 0 ? `no record of the tag counts${since}` : undefined],
        ["note", nobody],
      ],
      width,
    ),
  ];
}

function whyItStands({ why, approvals, record }: NonNullable<ToldHistory["stands"]>): string {
  if (why === "first-sighting") return `first seen ${record.loggedAt}, and nothing else approved since`;
  return `approval ${approvals}, ${record.loggedAt}, by ${signerOf(record)}`;
}

function details(record: ToldRecord): Row[] {
  const { digest, supersedes, reason, log, logIndex } = record;
  return [
    ["digest", digest],
    ["before", supersedes],
    ["signer", signerOf(record)],
    ["log", `${excerpt(logHost(log), 300)}, index ${logIndex}`],
    ["reason", reason === undefined ? undefined : JSON.stringify(reason)],
  ];
}

function placesText(places: readonly ToldPlace[], width: number): string[] {
  if (places.length === 0) return ["no place was asked"];
  return places.flatMap((place, index) => {
    const { kind, name, answer, records, reason, detail, guarantee } = place;
    const count = records === 1 ? "1 record" : `${records} records`;
    const said = {
      records: count,
      nothing: "no record of the tag",
      failed: `${records === 0 ? "could not be read" : `${count}, and not all could be read`} (${reason ?? ""})`,
      "not-asked": "not asked",
    }[answer];
    const head = `[${index + 1}] ${KIND[kind]} ${excerpt(name, 512)}: ${said}`;
    const more =
      answer === "records" || answer === "nothing" ? [guarantee] : detail === undefined ? [] : [detail];
    return [
      ...wrapped(head, width, "    "),
      ...more.flatMap((each) => wrapped(`    ${excerpt(each, 2000)}`, width, "    ")),
    ];
  });
}

/** How two images differ, as people read it. */
export function diffText({ image, from, to, platforms, places }: ToldDiff, width = NARROW): string {
  const head = [
    ...wrapped(excerpt(image, 512), width, "  "),
    ...rows([["from", from.digest], ...whereFrom(from), ["to", to.digest], ...whereFrom(to)], width),
  ];
  const changes = (platforms ?? [])
    .filter(({ what }) => what !== "same")
    .map(({ platform, what, from: was, to: is }) => [
      `${what}  ${platform}`,
      ...rows(
        [...was.map((digest): Row => ["from", digest]), ...is.map((digest): Row => ["to", digest])],
        width,
      ),
    ]);
  const same = (platforms ?? []).filter(({ what }) => what === "same").length;
  const parts = [
    head,
    ...changes,
    ...(platforms === undefined
      ? []
      : [[`${same} ${same === 1 ? "platform is" : "platforms are"} the same`]]),
    placesText(places, width),
  ];
  return `${parts.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

function whereFrom({ record, trusted, platforms, mediaType }: ToldDiff["from"]): Row[] {
  if (record === undefined) return [["", "no record of the tag has this digest"]];
  const who = trusted === false ? ", who is not trusted here" : "";
  const names = `its record names ${platforms} ${platforms === 1 ? "platform" : "platforms"}`;
  const none = /(?:image\.index|manifest\.list)/.test(mediaType ?? "")
    ? "its record names no platforms: they were too many, or nobody could read the index"
    : "its record names no platforms: it is not of an index, or only the builder could see it";
  return [
    ["", `logged ${record.loggedAt} by ${signerOf(record)}${who}`],
    ["", platforms === 0 ? none : names],
  ];
}

function indexes(places: readonly number[]): string {
  return places.map((each) => `[${each}]`).join("");
}

/** Labelled lines; those without text are left out. */
function rows(all: readonly Row[], width: number): string[] {
  return all.flatMap(([label, text]) =>
    text === undefined ? [] : wrapped(`  ${label.padEnd(LABEL_WIDTH)} ${text}`, width, INDENT),
  );
}

/** A digest is never broken: it is there to be copied, and compared. */
const DIGEST_AT_START = /^"?sha\d{3}:[0-9a-f]+/;

/** Breaks a line at blanks, and where one word alone is too long for a line in the middle of it. */
function wrapped(line: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const blank = rest.lastIndexOf(" ", width);
    const isWord = blank < indent.length;
    const digest = isWord ? DIGEST_AT_START.exec(rest.slice(indent.length))?.[0].length : undefined;
    const at = isWord ? Math.max(width, indent.length + (digest ?? 0)) : blank;
    lines.push(rest.slice(0, at).trimEnd());
    const left = rest.slice(at).trimStart();
    if (left === "") return lines;
    rest = indent + left;
  }
  return [...lines, rest.trimEnd()];
}

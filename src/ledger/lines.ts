// SPDX-License-Identifier: Apache-2.0
import { type Sha256, sha256 } from "../image/digest.ts";
import { taggedName } from "../image/reference.ts";
import { LockError } from "../lock/error.ts";
import { lockedHistory } from "../lock/history.ts";
import { type LockedLine, parseLine } from "../lock/line.ts";
import type { History } from "../record/history.ts";
import type { RecordContext, TagRecord } from "../record/record.ts";
import { type TrustedSigner } from "../record/signer.ts";
import { isSigner } from "../record/trusted-signer.ts";
import { LedgerError } from "./error.ts";

// The text of a ledger's part: a header, then for each tag the gaps that its observer left on purpose, then its lines, which
// are those of a lock file.

const VERSION = 1;
const HEADER = new RegExp(`^# tlog\\.ledger ${VERSION} part (\\d{1,4}) of (\\d{1,4})$`);
const GAP = /^# gap (\S+) ([1-9]\d{0,15})-([1-9]\d{0,15})$/;
/** The most lines of one tag: as many as an observer keeps, and room for approvals. */
export const MAX_TAG_LINES = 1024;

/** Which of how many parts of a ledger it is. */
export interface PartPlace {
  /** From 0 on. */
  readonly part: number;
  readonly of: number;
}

/** Sightings that an observer no longer keeps, by their sequence; never the first. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

/** What a part has of one tag. */
export interface TagLines {
  readonly gap?: Gap;
  /** As they stand in the text, without their ends. */
  readonly lines: readonly string[];
}

/** The text of a part. Equal contents give equal texts. */
export function partText({ part, of }: PartPlace, tags: ReadonlyMap<string, TagLines>): string {
  const sorted = [...tags]
    .filter(([, { lines }]) => lines.length > 0)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const body = sorted.flatMap(([name, { gap, lines }]) => [
    ...(gap === undefined ? [] : [`# gap ${name} ${gap.from}-${gap.to}`]),
    ...[...new Set(lines)].toSorted(),
  ]);
  return [`# tlog.ledger ${VERSION} part ${part} of ${of}`, ...body, ""].join("\n");
}

/** Throws LedgerError unless the text begins as that of this part. */
function checkPlace(text: string, { part, of }: PartPlace): void {
  const [, said, total] = HEADER.exec(text.slice(0, Math.max(text.indexOf("\n"), 0))) ?? [];
  if (Number(said) === part && Number(total) === of && text.endsWith("\n")) return;
  throw new LedgerError("ledger-broken", `it has another text where part ${part} of ${of} is to be`);
}

/** All that a part has, by the tags' names. Of the lines only their first column is read. Throws LedgerError. */
export function readPart(text: string, place: PartPlace): Map<string, TagLines> {
  checkPlace(text, place);
  const tags = new Map<string, { gap?: Gap; lines: string[] }>();
  for (const line of text.split("\n").slice(1, -1)) {
    const gap = GAP.exec(line);
    const name = gap?.[1] ?? line.slice(0, Math.max(line.indexOf(" "), 0));
    if (name === "" || name === "#") throw new LedgerError("ledger-broken", "it has a line that is none");
    const known = tags.get(name) ?? { lines: [] };
    tags.set(name, known);
    if (gap === null) known.lines.push(line);
    else known.gap = { from: Number(gap[2]), to: Number(gap[3]) };
  }
  return tags;
}

/** What a part has of one tag, by its canonical name; nothing of the others is read. Throws LedgerError. */
export function tagLinesIn(text: string, name: string, place: PartPlace): TagLines {
  checkPlace(text, place);
  const lines: string[] = [];
  const begin = `\n${name} `;
  for (let at = text.indexOf(begin); at >= 0; at = text.indexOf(begin, at + 1)) {
    lines.push(text.slice(at + 1, text.indexOf("\n", at + 1)));
    if (lines.length > MAX_TAG_LINES)
      throw new LedgerError("ledger-broken", `it has more than ${MAX_TAG_LINES} lines of "${name}"`);
  }
  const at = text.indexOf(`\n# gap ${name} `);
  const [, , from, to] = at < 0 ? [] : (GAP.exec(text.slice(at + 1, text.indexOf("\n", at + 1))) ?? []);
  return { lines, ...(from !== undefined && { gap: { from: Number(from), to: Number(to) } }) };
}

/**
 * The history of a tag as the lines prove it, each verified like any other evidence; undefined when there are none. The
 * observer's own sightings are numbered, and none of them may be missing but those of the gap. Throws LedgerError, with the
 * reason when a line proves no record.
 */
export function ledgerHistory(
  { lines, gap }: TagLines,
  context: RecordContext,
  { name, observer }: { readonly name: string; readonly observer: TrustedSigner },
): History | undefined {
  if (lines.length === 0) return undefined;
  const tag = taggedName(context.subject);
  let history: History;
  try {
    const read: readonly LockedLine[] = lines.map((line, index) => parseLine(line, name, index + 1));
    history = lockedHistory({ name, tags: new Map([[tag, read]]) }, context);
  } catch (error) {
    if (!(error instanceof LockError)) throw error;
    const { reason, code } = error;
    throw new LedgerError("ledger-broken", `a line of "${tag}" in it does not hold (${reason ?? code})`, {
      cause: error,
      ...(reason !== undefined && { reason }),
    });
  }
  checkChain(
    history.records.filter(({ signer }) => isSigner(signer, observer)),
    { tag, gap, isUnnamed: history.rejected.has("unnamed-log") },
  );
  return history;
}

/**
 * Throws LedgerError when a numbered sighting is missing. Two observers at once may have given one number twice; what came
 * next names one of them.
 */
export function checkChain(
  records: readonly Pick<TagRecord, "sequence" | "previous" | "bundle">[],
  {
    tag,
    gap = { from: 0, to: 0 },
    isUnnamed,
  }: { readonly tag: string; readonly gap: Gap | undefined; readonly isUnnamed: boolean },
): void {
  const statements = new Map<number, Set<Sha256>>();
  for (const { sequence, bundle } of records) {
    if (sequence === undefined || bundle === undefined) continue;
    const known = statements.get(sequence) ?? new Set();
    statements.set(sequence, known.add(sha256(Buffer.from(bundle.dsseEnvelope.payload, "base64"))));
  }
  // The first one decides what stands, so it is never among those that an observer may stop keeping.
  const isLeftOut = (sequence: number) => sequence > 1 && gap.from <= sequence && sequence <= gap.to;
  for (const { sequence, previous } of records) {
    if (sequence === undefined || previous === undefined || isLeftOut(sequence - 1)) continue;
    const before = statements.get(sequence - 1);
    if (before?.has(previous)) continue;
    const what = before === undefined ? "is missing" : "is another one than the next names";
    // What came first decides, so one that does not count is not passed over.
    const why = isUnnamed
      ? "it may be in a log that the policy does not name"
      : "so somebody left a line out";
    throw new LedgerError("ledger-broken", `sighting ${sequence - 1} of "${tag}" ${what}, ${why}`);
  }
}

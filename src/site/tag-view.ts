// SPDX-License-Identifier: Apache-2.0
import type { Digest } from "../image/digest.ts";
import type { Gap, TagLines } from "../ledger/lines.ts";
import { recordLine } from "../lock/file.ts";
import { type History, standing } from "../record/history.ts";
import type { TagRecord } from "../record/record.ts";
import { proofFile, tagDirectory } from "./addresses.ts";

/** A record of a tag, and the file with its proof. */
export interface SiteRecord {
  readonly record: TagRecord;
  /** Within the tag's directory. */
  readonly file: string;
  /** The bundle as JSON. */
  readonly proof: string;
}

/** What happened to a tag. */
export interface TagEvent {
  readonly kind: "moved" | "approved";
  readonly tag: string;
  readonly record: TagRecord;
  /** The digest before; undefined when the ledger no longer keeps it. */
  readonly from: Digest | undefined;
}

/** All that the page of a tag shows. */
export interface TagView {
  readonly name: string;
  readonly directory: string;
  /** In log order, the earliest first. */
  readonly records: readonly SiteRecord[];
  readonly events: readonly TagEvent[];
  /** What builds take as recorded, and what stood before; undefined when nothing does. */
  readonly stands: ReturnType<typeof standing>;
  /** What it was seen to name last. */
  readonly seen: TagRecord | undefined;
  readonly gap: Gap | undefined;
  /** Lines of the ledger that are not shown: by signers who are not named here, or copies of one that is. */
  readonly others: number;
}

/** What the page of a tag shows, out of its lines and the history that they prove. */
export function tagView(name: string, { lines, gap }: TagLines, history: History): TagView {
  const records = history.records.map((record): SiteRecord => {
    const line = recordLine(record) ?? "";
    const proof = line.slice(line.indexOf("{"));
    return { record, proof, file: proofFile(record.logIndex, proof) };
  });
  return {
    name,
    directory: tagDirectory(name),
    records,
    events: eventsOf(name, history.records, gap),
    stands: standing(history),
    seen: history.records.findLast(({ supersedes, may }) => supersedes === undefined && may.has("record")),
    gap,
    others: lines.length - records.length,
  };
}

/** The moves and approvals in a history, the earliest first. */
function eventsOf(tag: string, records: readonly TagRecord[], gap: Gap | undefined): readonly TagEvent[] {
  const events: TagEvent[] = [];
  let last: TagRecord | undefined;
  for (const record of records) {
    const { supersedes, digest, sequence = 0 } = record;
    if (supersedes !== undefined) {
      events.push({ kind: "approved", tag, record, from: supersedes });
      continue;
    }
    const isBehindGap = gap !== undefined && gap.from < sequence && sequence <= gap.to + 1;
    if (isBehindGap || (last !== undefined && last.digest !== digest))
      events.push({ kind: "moved", tag, record, from: isBehindGap ? undefined : last?.digest });
    last = record;
  }
  return events;
}

/** The instant in RFC 3339, UTC, whole seconds. */
export function inSeconds(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

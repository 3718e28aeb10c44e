// SPDX-License-Identifier: Apache-2.0
import { signerName } from "../record/signer.ts";
import type { Record } from "../record/verification.ts";

/** What a record rests on, in one line for the progress: where it is, since when, and by whom. */
export function evidence(record: Record): string {
  return `log index ${record.logIndex}, ${isoTime(record.loggedAt)}, by ${signerOf(record)}`;
}

/** The same for an error: a line that says when and by whom, and one that says where. */
export function evidenceLines(record: Record): string[] {
  return [
    `recorded ${isoTime(record.loggedAt)} by ${signerOf(record)}`,
    `log index ${record.logIndex} of ${logHost(record)}`,
  ];
}

/** Who signed, and whether in the older form that proves less. */
export function signerOf({ signer, strength }: Pick<Record, "signer" | "strength">): string {
  return strength === "tlogistry" ? `${signerName(signer)}, with tlogistry` : signerName(signer);
}

/** The log's host, as in `rekor.example.org`; the whole text when it is no URL. */
export function logHost({ logUrl }: Pick<Record, "logUrl">): string {
  return URL.canParse(logUrl) ? new URL(logUrl).host : logUrl;
}

/** The day on which the log took a record in, in UTC. */
export function day(record: Pick<Record, "loggedAt">): string {
  return isoTime(record.loggedAt).slice(0, 10);
}

/** RFC 3339 in UTC with whole seconds, as logs give it. */
export function isoTime(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}

/** How many entries under a tag's name are no records for us, and why; empty when there are none. */
export function ignoredEntries(rejected: ReadonlyMap<string, number>): string {
  const total = [...rejected.values()].reduce((sum, count) => sum + count, 0);
  if (total === 0) return "";
  const reasons = [...rejected].map(([reason, count]) => `${count} ${reason}`).join(", ");
  const what =
    total === 1 ? "entry under this name in the log does" : "entries under this name in the log do";
  return `${total} ${what} not count (${reasons})`;
}

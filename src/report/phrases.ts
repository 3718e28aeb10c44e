// SPDX-License-Identifier: Apache-2.0
import { formatReference, type Reference, taggedName } from "../image/reference.ts";
import type { Rule } from "../policy/rule.ts";
import type { Contradiction, UnreadLedger } from "../check/verdict.ts";
import { signerName } from "../record/signer.ts";
import type { TagRecord } from "../record/record.ts";

// The phrases that texts are made of: names, records and the policy's words.

/** The image as all texts call it: by its tag if it has one. */
export function nameOf(image: Reference): string {
  return image.tag === undefined ? formatReference(image) : taggedName(image);
}

export function digestOf(image: Reference): string {
  return image.digest ?? "no digest";
}

/** The width of an indented line in a terminal of 80 columns. */
export const COLUMNS = 78;

/** A sentence in lines that fit, broken between words; a word that does not fit has a line of its own. */
export function folded(sentence: string): string[] {
  return sentence.match(new RegExp(`\\S{${COLUMNS},}|\\S.{0,${COLUMNS - 2}}(?=\\s|$)`, "g")) ?? [sentence];
}

/** What a record rests on, in one line for the progress: where it is, since when, and by whom. */
export function evidence(record: TagRecord): string {
  return `log index ${record.logIndex}, ${isoTime(record.loggedAt)}, by ${signerOf(record)}`;
}

/** What somebody saw whose records do not count. */
export function foreignLine(record: TagRecord): string {
  return `somebody else saw ${record.digest} (${evidence(record)}, who is not trusted here)`;
}

/** What ledgers say that do not agree about a tag: a line for each, below one that announces them; empty when all agree. */
export function contradictionLines(contradiction: Contradiction | undefined): string[] {
  if (contradiction === undefined) return [];
  return [
    "ledgers do not agree about it; the earliest record stands, then approvals:",
    ...contradiction.ledgers.flatMap(({ name, digest, loggedAt }) => [
      `  ${name}, since ${isoTime(loggedAt)}:`,
      `    ${digest}`,
    ]),
  ];
}

/** A ledger that could not be read, where other records decide. */
export function unreadLine({ ledger, reason, detail }: UnreadLedger): string {
  return `the ledger "${ledger}" could not be read (${reason}), so other records decide: ${detail}`;
}

/** The same for an error: a line that says when and by whom, and one that says where. */
export function evidenceLines(record: TagRecord): string[] {
  return [
    `recorded ${isoTime(record.loggedAt)} by ${signerOf(record)}`,
    `log index ${record.logIndex} of ${logHost(record.logUrl)}`,
  ];
}

/** Who signed, and whether in the older form that proves less. */
export function signerOf({
  signer,
  strength,
}: Pick<TagRecord, "strength"> & { readonly signer: Parameters<typeof signerName>[0] }): string {
  return strength === "tlogistry" ? `${signerName(signer)}, with tlogistry` : signerName(signer);
}

/** The log's host, as in `rekor.example.org`; the whole text when it is no URL. */
export function logHost(url: string): string {
  return URL.parse(url)?.host ?? url;
}

/** The day on which the log took a record in, in UTC. */
export function day(record: Pick<TagRecord, "loggedAt">): string {
  return isoTime(record.loggedAt).slice(0, 10);
}

/** RFC 3339 in UTC with whole seconds, as logs give it. */
export function isoTime(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}

/**
 * How many entries under a tag's name are no records for us, and why, and how many could not be read; empty when there
 * are none.
 */
export function ignoredEntries(rejected: Iterable<[reason: string, count: number]>): string {
  const { read = [], unread = [] } = Object.groupBy(rejected, ([reason]) =>
    reason === "unread" ? "unread" : "read",
  );
  const total = read.reduce((sum, [, count]) => sum + count, 0);
  const reasons = read.map(([reason, count]) => `${count} ${reason}`).join(", ");
  const entries = (count: number) =>
    `${count} ${count === 1 ? "entry" : "entries"} under this name in the log`;
  return [
    ...(total === 0 ? [] : [`${entries(total)} ${total === 1 ? "does" : "do"} not count (${reasons})`]),
    ...unread.map(([, count]) => `${entries(count)} could not be read`),
  ].join("; ");
}

/** What the policy says about such an image, in its own words, and where. */
export function ruleLine(
  rule: Rule,
  key: "action" | "unseen" | "unknown" | "by-digest" = "action",
): string[] {
  // Only the action has a source and a reason.
  if (key === "by-digest") return [`the policy says "by-digest: ${rule.byDigest}"`];
  if (key !== "action") return [`the policy says "${key}: ${rule[key]}"`];
  const line = `rule: "action: ${rule.action}" (${rule.source})`;
  const whole = `${line}: ${rule.why}`;
  return whole.length <= COLUMNS ? [whole] : [line, ...folded(rule.why)];
}

/** Why a tag without a record is a problem: the policy wants records, or old ones. */
export function unseenLine(rule: Rule): string[] {
  return rule.minAge === undefined || rule.unseen === "block" ? ruleLine(rule, "unseen") : ageLine(rule);
}

/** An image without a record has no proven age; empty where the policy wants none. */
export function ageLine(rule: Rule): string[] {
  if (rule.minAge === undefined) return [];
  return [`the policy says "min-age: ${rule.minAge.days}", and nothing proves how old this is`];
}

/** How old records have to be; empty when they may be new. */
export function minAgeLine(rule: Rule): string[] {
  if (rule.minAge === undefined) return [];
  const { days } = rule.minAge;
  return [`the policy says "min-age: ${days}": records count after ${days} ${days === 1 ? "day" : "days"}`];
}

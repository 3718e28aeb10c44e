// SPDX-License-Identifier: Apache-2.0
import type { Digest } from "../image/digest.ts";
import type { Reference } from "../image/reference.ts";
import type { Rule } from "../policy/rule.ts";
import { LEDGER_FAILURES, type LedgerFailure } from "../ledger/answer.ts";
import { type History, latest, type Standing } from "../record/history.ts";
import type { TagRecord } from "../record/record.ts";

/** What we say of one image source. */
export type Verdict =
  /** The record that stands for the tag names this digest; the note says what else is to be known of it. */
  | { readonly kind: "unchanged"; readonly record: TagRecord; readonly note?: UnchangedNote }
  /** No record was there; this build wrote the one that stands now. */
  | { readonly kind: "first-seen"; readonly record: TagRecord }
  /** This build wrote the approval that stands now, in place of the record that stood. */
  | { readonly kind: "approved"; readonly record: TagRecord; readonly superseded: TagRecord }
  /** No record is there, and none was written. */
  | { readonly kind: "unrecorded"; readonly reason: UnrecordedReason; readonly detail: string }
  /**
   * The record that stands names another digest. Of a tag that is followed `newer` is the sighting of this one, and
   * of a tag that is pinned `gone` says why the recorded image could not be had.
   */
  | { readonly kind: "moved"; readonly record: TagRecord; readonly newer?: TagRecord; readonly gone?: string }
  /** The tag names the digest `served` now, and the build uses the recorded one. */
  | { readonly kind: "pinned"; readonly record: TagRecord; readonly served: Digest }
  /** As recorded, but not for as long as the policy wants. */
  | { readonly kind: "too-new"; readonly record: TagRecord; readonly until: Date }
  /** The policy says not to look at it. */
  | { readonly kind: "exempt" }
  /** The image is named by digest alone: there is no tag that could move. */
  | { readonly kind: "by-digest" }
  /** BuildKit would resolve the tag again when the build runs, so nothing said now would hold. */
  | { readonly kind: "unpinned"; readonly detail: string }
  /** The tag's record is not known, or one had to be written and could not be. */
  | { readonly kind: "unknown"; readonly reason: UnknownReason; readonly detail: string };

/**
 * `same-platforms`: the index is another one, and the manifests of the platforms that are built are the same.
 * `superseded`: it was named with its digest, which stood until an approval.
 */
export type UnchangedNote = "same-platforms" | "superseded";

/**
 * Why a new tag was not recorded.
 *
 * - `no-signer`: there was nothing to sign with
 * - `not-watched`: the same, and no ledger has the tag; nobody's records in a log count
 * - `policy`: the policy lets new tags through, or refuses them, and does not record them
 * - `not-public`: the registry does not show the tag to everybody, so it has no place in a public log
 * - `internal-name`: the registry's name is not of the public internet, so it has no place there either
 * - `rate-limited`: the registry answers nobody without credentials now, who would have to confirm the image first
 * - `registry-differs`: the registry names another image than BuildKit would use: a local image or a mirror
 */
export const UNRECORDED_REASONS = [
  "no-signer",
  "not-watched",
  "policy",
  "not-public",
  "internal-name",
  "rate-limited",
  "registry-differs",
] as const;
export type UnrecordedReason = (typeof UNRECORDED_REASONS)[number];

/**
 * Why nothing can be said of a tag.
 *
 * - `unreachable`: the log gave no answer, or not each entry that it lists for the tag; or the log, the registry or an authority gave none when one was to be
 *   recorded. Retrying may help
 * - `no-evidence`: an image is verified that carries no record of the tag
 * - `not-compared`: the tag names another index, and the registry could not be asked whether it is the same for the
 *   platforms that are built. Retrying may help
 * - `unproven`: the log has an entry by a trusted signer, or the one that this build wrote, and does not prove it
 * - `unsearchable`: no lock file has a record, and the log has no search
 * - `contradicted`: the lock file leaves out an earlier record that the log has
 * - `unwritten`: it had to be recorded, and that was refused or cannot be done
 * - those of LEDGER_FAILURES: a ledger could not be read, and no other place has a record that stands
 */
export const UNKNOWN_REASONS = [
  "unreachable",
  "no-evidence",
  "not-compared",
  "unproven",
  "unsearchable",
  "contradicted",
  "unwritten",
  ...LEDGER_FAILURES,
] as const;
export type UnknownReason = (typeof UNKNOWN_REASONS)[number];

/** A ledger that could not be read. */
export interface UnreadLedger {
  readonly ledger: string;
  readonly reason: LedgerFailure;
  readonly detail: string;
}

/** Ledgers by which different images stand for one tag. */
export interface Contradiction {
  readonly ledgers: readonly { readonly name: string; readonly digest: Digest; readonly loggedAt: Date }[];
}

/** What is to be said of the ledgers that were asked about a tag. */
export interface LedgerFindings {
  /** Those that could not be read, but for the one that is the reason of the failure. */
  readonly unread?: readonly UnreadLedger[];
  readonly contradiction?: Contradiction;
}

/** What asking about a tag gave. */
export interface Lookup extends LedgerFindings {
  /** All records of the tag, whether or not one of them stands; without any after a failure. */
  readonly history: History;
  readonly standing?: Standing;
  /** Why the tag's record is not known. */
  readonly failure?: { readonly reason: UnknownReason; readonly detail: string };
  /** Whether no log was asked, because the records at hand were enough. */
  readonly isOffline?: true;
  /** Of records that the builder remembered: the day on which the log was asked for them (UTC), `2026-11-21`. */
  readonly askedOn?: string;
  /** The ledgers, none of which has a record that stands, where nobody's records in a log count. */
  readonly unwatched?: readonly string[];
}

/** An image and how it is to be judged. */
export interface Question {
  readonly reference: Reference;
  readonly rule: Rule;
  /** Whether its digest is written beside the tag, and was not found by asking the registry. */
  readonly claimed: boolean;
  readonly now: Date;
}

/** A verdict that nothing can be added to, or `unseen`: no record is there, and the next step is the policy's. */
export type Decision = Verdict | { readonly kind: "unseen" };

export type Unchanged = Extract<Verdict, { kind: "unchanged" }>;
type Unknown = Extract<Verdict, { kind: "unknown" }>;
export type TooNew = Extract<Verdict, { kind: "too-new" }>;

const DAY_MS = 24 * 60 * 60 * 1000;

/** The decision on an image, given what was found about its tag. Pure: no network, no clock. */
export function decide({ reference, rule, claimed, now }: Question, lookup: Lookup): Decision {
  const { digest } = reference;
  if (rule.action === "ignore") return { kind: "exempt" };
  if (digest === undefined) return { kind: "unpinned", detail: "" };
  if (reference.tag === undefined) return { kind: "by-digest" };
  const { history, standing, failure } = lookup;
  if (failure !== undefined) return { kind: "unknown", ...failure };
  const unread = whyUnread(history);
  if (standing === undefined) return unread ?? { kind: "unseen" };
  const current = rule.action === "follow" ? (latest(history) ?? standing.record) : standing.record;
  const aged = (verdict: Unchanged) => oldEnough(verdict, history.records, { rule, now });
  if (current.digest === digest) return aged({ kind: "unchanged", record: current });
  if (claimed) {
    // A written digest is about the past: what the tag named once may be used for ever.
    const stood = rule.action === "follow" ? history.records : standing.superseded;
    const record = stood.findLast((each) => each.digest === digest);
    if (record !== undefined) return aged({ kind: "unchanged", record, note: "superseded" });
  }
  return unread ?? { kind: "moved", record: current };
}

/**
 * `unknown` when the log lists entries for the tag that it does not give. One of them may be a record, so nothing counts as new
 * or moved, and nothing is recorded. What is proven still lets an image pass: the log's index could leave such an entry out as
 * well, so one that is not shown proves no more than one that is not listed.
 */
export function whyUnread({ rejected }: Pick<History, "rejected">): Unknown | undefined {
  const count = rejected.get("unread") ?? 0;
  if (count === 0) return undefined;
  const what =
    count === 1 ? "1 entry for this tag that it does" : `${count} entries for this tag that it does`;
  const detail = `the log lists ${what} not give, and a record may be among them`;
  return { kind: "unknown", reason: "unreachable", detail };
}

/**
 * The verdict, or `too-new` when the first proven sighting of the image is younger than the rule wants. An approval
 * of it, or a sighting by a signer that may vouch, is as good as age.
 */
export function oldEnough(
  verdict: Unchanged,
  records: readonly TagRecord[],
  { rule: { minAge }, now }: Pick<Question, "rule" | "now">,
): Unchanged | TooNew {
  const { record } = verdict;
  if (minAge === undefined) return verdict;
  const sightings = records.filter(({ digest }) => digest === record.digest);
  const isVouchedFor = sightings.some(
    ({ may, supersedes }) => may.has("vouch") || (supersedes !== undefined && may.has("approve")),
  );
  if (isVouchedFor) return verdict;
  const first = Math.min(record.loggedAt.getTime(), ...sightings.map(({ loggedAt }) => loggedAt.getTime()));
  const until = new Date(first + minAge.days * DAY_MS);
  return now < until ? { kind: "too-new", record, until } : verdict;
}

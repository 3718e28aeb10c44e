// SPDX-License-Identifier: Apache-2.0
import { type Reference, taggedName } from "../image/reference.ts";
import { isLoopbackRegistry } from "../image/registry.ts";
import { isNamedAnywhere, namedLogs } from "../policy/policy.ts";
import { type RecordErrorCode, ROOT_TOO_OLD, UNPROVEN } from "../record/error.ts";
import { type History, joinHistories, readHistory, standing } from "../record/history.ts";
import type { Evidence } from "../record/record.ts";
import type { Trust } from "../record/signer.ts";
import { subjectHash } from "../record/statement.ts";
import { tlogistrySubjectHash } from "../record/tlogistry.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";
import type { Rule } from "../policy/rule.ts";
import type { CheckContext, ConsumedImage, Search } from "./context.ts";
import { countingOf } from "./counting.ts";
import type { Found } from "./courier.ts";
import type { Signers } from "./signers.ts";
import { askLedgers, withFindings } from "./ledgers.ts";
import { decide, type Decision, type Lookup } from "./verdict.ts";

/** The check of a build: what it was given, and what it learns on its way. */
export interface Check {
  readonly context: CheckContext;
  readonly signers: Signers;
  /** What was read or written of tags, by their names. */
  readonly known: Map<string, Lookup>;
}

/** The check of one image. */
export interface ImageCheck extends Check {
  readonly image: ConsumedImage;
  readonly rule: Rule;
}

/** The decision upon what was found, by the clock of the check. */
export function decideOn({ image, rule, context }: ImageCheck, lookup: Lookup): Decision {
  return decide({ ...image, rule, now: context.now() }, lookup);
}

/**
 * Whether this check is to approve the image: its tag with exactly this digest. `other`: it is to approve another
 * digest of that tag, the one that was reviewed.
 */
export function isToBeApproved({ image, context: { approval } }: ImageCheck): boolean | "other" {
  if (approval === undefined || taggedName(approval.image) !== taggedName(image.reference)) return false;
  return approval.image.digest === image.reference.digest || "other";
}

/** What was decided, and upon what. */
export interface DecisionResult {
  readonly decision: Decision;
  readonly lookup: Lookup;
}

/** What was decided by asking. */
export interface AskedResult extends DecisionResult {
  /** The signers whose records counted. */
  readonly trust: readonly Trust[];
}

/** What is known about a tag before a log is asked. */
export const NOTHING: Lookup = { history: { records: [], rejected: new Map(), foreign: [] } };

/**
 * Looks for the tag's records in all places, and decides; `recheck` asks ledgers and the log even if a lock file has the answer,
 * and `isLive` the log even if the builder remembers what it said.
 *
 * Where the policy names no signers and has ledgers, those of the ledgers are enough for what they know: this build's own, and so
 * its secrets, are looked for when no ledger has the tag.
 */
export async function ask(
  one: ImageCheck,
  {
    recheck = one.context.recheck,
    isLive = false,
  }: { readonly recheck?: boolean; readonly isLive?: boolean } = {},
): Promise<AskedResult> {
  const { signers } = one;
  const asked = async (how: Asking): Promise<AskedResult> => {
    const lookup = await lookUp(one, how);
    return { lookup, decision: decideOn(one, lookup), trust: how.trust };
  };
  // An approval is of no use beside one that the lock file does not know.
  const approves = isToBeApproved(one) !== false;
  const asksAll = recheck || approves;
  let early: AskedResult | undefined;
  if (!asksAll && signers.areOfLedgersAlone() && !(await hasOthersLines(one))) {
    early = await asked({ trust: signers.trusted(), recheck: false, asksLogs: false, isLive });
    if (early.lookup.standing !== undefined || early.lookup.failure !== undefined) return early;
  }
  const trust = await signers.known();
  if (early !== undefined && !signers.areInLogs()) return early;
  return asked({ trust, recheck: asksAll, asksLogs: signers.areInLogs(), isLive: isLive || approves });
}

/** How the places are asked. */
interface Asking {
  readonly trust: readonly Trust[];
  readonly recheck: boolean;
  /** Whether anybody's records in a log may count. */
  readonly asksLogs: boolean;
  /** Whether nothing that the builder remembers counts. */
  readonly isLive: boolean;
}

/** Whether the lock file has lines of the tag by others than those that count so far: they may be this build's own. */
async function hasOthersLines({ context, signers, image, known }: ImageCheck): Promise<boolean> {
  const { reference } = image;
  if (known.has(taggedName(reference))) return false;
  const locked = await context.locked?.(reference, signers.trusted());
  return locked !== undefined && countOf(locked.rejected, OF_OTHERS) > 0;
}

const OF_OTHERS: ReadonlySet<RecordErrorCode> = new Set(["untrusted-signer"]);

/** The history of a tag out of all places that know it. Never throws for what a ledger or a log says or does not say. */
async function lookUp(one: ImageCheck, { trust, recheck, asksLogs, isLive }: Asking): Promise<Lookup> {
  const { signers, context, known } = one;
  const { reference } = one.image;
  const { logs } = context.policy;
  const isLocal = isOfThisMachine(one);
  // What this check has read or written is not asked for again; a log without search could not even answer.
  const seen = known.get(taggedName(reference));
  const brought = seen?.history ?? (await context.locked?.(reference, trust));
  const locked = brought !== undefined && brought.records.length > 0 ? brought : undefined;
  // Without a trusted signer no entry counts, whatever a log or a ledger holds.
  if (trust.length === 0) return NOTHING;
  // Records that do not stand, such as those of who may only vouch, do not replace asking for the one that does.
  if (locked !== undefined && isStanding(locked) && (context.onlyBrought || !recheck)) {
    const { contradiction } = seen ?? {};
    return { ...found(locked), isOffline: true, ...(contradiction && { contradiction }) };
  }
  if (context.onlyBrought) return failed({ reason: "no-evidence", detail: notBrought(brought) });

  const isFollowed = one.rule.action === "follow";
  const told = await askLedgers(context, { reference, isFollowed, trust });
  const atHand = joinAll([locked, ...told.histories]);
  const said = (lookup: Lookup): Lookup => withFindings(lookup, told);
  const here = atHand === undefined ? NOTHING : found(atHand);
  const isDecided = here.standing !== undefined;
  const compared = locked === undefined ? here : withoutContradiction(here, locked, "ledger");
  if (compared.failure !== undefined) return said(compared);
  if (isDecided && (!recheck || !asksLogs || isLocal)) return said({ ...here, isOffline: true });
  if (!asksLogs) return said({ ...here, unwatched: told.names });
  if (isLocal) return said(here);

  const searchable = logs.filter(({ api }) => api === 1);
  // What this log took in is known from its own answers alone, which the lock file keeps.
  const unsearchable = logs[0]?.api === 2 ? logs[0].url : undefined;
  if (!isDecided && unsearchable !== undefined && !context.keepsRecords) {
    // The ledger that could not be read may have it.
    if (told.unread.length > 0) return said(NOTHING);
    const detail = `no lock file has a record of it, and the log "${unsearchable}" has no search`;
    return failed({ reason: "unsearchable", detail });
  }
  if (searchable.length === 0) return said(here);
  const identity = onlyIdentity(trust);
  // With a single trusted identity, only its own entries are of use, and no tlogistry ones.
  const hashes = identity === undefined ? searchHashes(reference) : [subjectHash(reference)];
  const searches = (root: TrustedRoot): readonly Search[] => {
    const counting = countingOf(trust, root);
    const what = {
      tag: taggedName(reference),
      ...(identity !== undefined && { identity }),
      ...(counting && { counting }),
    };
    return searchable.flatMap(({ url }) => hashes.map((hash) => ({ log: url, hash, ...what })));
  };
  const search = async (root: TrustedRoot): Promise<Brought> => {
    const courier = await signers.asking();
    const asked = await Promise.all(
      searches(root).map((each) => courier.find(each, { signal: context.deadline() })),
    );
    return broughtBy(asked);
  };
  const compare = (looked: Lookup): Lookup =>
    locked === undefined ? looked : withoutContradiction(looked, locked, "log");
  // Where this build's own signer was looked for, its courier runs already.
  if (!isLive && signers.areNamed && context.remembered !== undefined) {
    const asked = context.remembered(searches(await context.trustedRoot()));
    for await (const { found: answers, askedOn } of asked) {
      const lookup = compare(await judgeRemembered(one, { ...broughtBy(answers), known: atHand, trust }));
      if (isUnchanged(one, lookup)) return said({ ...lookup, askedOn });
      // A later answer could only say that it moved, or that it was approved just now: both are the log's to say.
      if (lookup.standing !== undefined) break;
    }
  }
  // It starts while the trusted root is read.
  signers.asking().catch(() => undefined);
  const root = await context.trustedRoot();
  let entries: Brought;
  try {
    entries = await search(root);
  } catch (error) {
    return said(failed({ reason: "unreachable", detail: messageOf(error) }));
  }
  const looked = await judgeEvidence(one, { ...entries, known: atHand, trust, again: search });
  return said(compare(looked));
}

/** What remembered evidence says by the trusted root that is there. Where a newer one is needed, the log is asked as well. */
async function judgeRemembered(one: ImageCheck, brought: BroughtToJudge): Promise<Lookup> {
  const { newerRoot: _, ...context } = one.context;
  return judgeEvidence({ ...one, context }, brought);
}

/** Whether the record that stands, or of a followed tag the newest, names the image, and is as old as the rule wants. */
function isUnchanged(one: ImageCheck, lookup: Lookup): boolean {
  const decision = decideOn(one, lookup);
  return decision.kind === "unchanged" && decision.note === undefined;
}

/**
 * Whether no log is asked about an image: its registry is another one on each machine, so no log's record of it is about this
 * one. A name that is not public for another reason is asked about: that protects those who recorded it once, and only its hash
 * is in the question.
 */
export function isOfThisMachine({
  image: { reference },
  rule,
  context: { policy },
}: Pick<ImageCheck, "image" | "rule" | "context">): boolean {
  return isLoopbackRegistry(reference.registry) && !isNamedAnywhere(rule, policy);
}

function isStanding(history: History): boolean {
  return standing(history) !== undefined;
}

function joinAll(histories: readonly (History | undefined)[]): History | undefined {
  const [first, ...others] = histories.filter((each) => each !== undefined);
  return first && others.reduce(joinHistories, first);
}

function notBrought(brought: History | undefined): string {
  const counts = [...(brought?.rejected ?? [])].map(([reason, count]) => `${count} ${reason}`).join(", ");
  return counts === ""
    ? "the image carries no record of this tag"
    : `the image carries no record of this tag that counts (${counts})`;
}

/** What searches brought: evidence, and how much more there is that cannot count. */
export interface Brought {
  readonly evidence: readonly Evidence[];
  readonly dropped: History["rejected"];
}

/** What these searches brought together. */
export function broughtBy(searches: readonly Found[]): Brought {
  const entries = searches.flatMap((each) => each.entries);
  return {
    evidence: entries.map((entry) => ({ kind: "entry", ...entry })),
    dropped: sumOf(searches.map(({ dropped }) => dropped)),
  };
}

/**
 * What that says of a tag, together with the records that are known already. With a newer trusted root, where one
 * is needed, it is brought `again`. `isOwn`: this build's own entry is in it.
 */
export async function judgeEvidence(one: ImageCheck, brought: BroughtToJudge): Promise<Lookup> {
  return (await judgeBrought(one, brought)).lookup;
}

/** What searches brought, and by whom and beside what it is judged. */
export interface BroughtToJudge extends Brought {
  readonly known: History | undefined;
  readonly trust: readonly Trust[];
  readonly again?: (root: TrustedRoot) => Promise<Brought>;
  readonly isOwn?: boolean;
}

/** The same, and what the brought evidence says by itself. */
export async function judgeBrought(
  one: ImageCheck,
  { known, trust, again, isOwn = false, ...brought }: BroughtToJudge,
): Promise<Judged> {
  const { image, context } = one;
  const logs = namedLogs(context.policy);
  // What is proven already needs not be shown again.
  const proven = new Set(known?.records.flatMap(({ uuid }) => uuid?.slice(-64) ?? []));
  const isUnreadCopy = (each: Evidence) =>
    each.kind === "entry" && each.entry === null && proven.has(each.uuid.slice(-64));
  const judged = (trustedRoot: TrustedRoot, { evidence, dropped }: Brought): Judged => {
    const subject = image.reference;
    const shown = evidence.filter((each) => !isUnreadCopy(each));
    const read = readHistory(shown, { subject, trust, trustedRoot, logs });
    const history = { ...read, rejected: sumOf([read.rejected, dropped]) };
    return { history, lookup: lookupIn(history, known) };
  };
  const first = judged(await context.trustedRoot(), brought);
  const stands = decideOn(one, first.lookup).kind === "unchanged";
  const unknown = stands && !isOwn ? STRANGERS_APART : ROOT_TOO_OLD;
  if (countOf(first.history.rejected, unknown) === 0) return first;
  // Failing to get a newer root is no reason to doubt what this one proves.
  const newer = await context.newerRoot?.().catch(() => undefined);
  if (newer === undefined) return first;
  return judged(newer, (await again?.(newer).catch(() => undefined)) ?? brought);
}

/** What evidence that was brought says. */
export interface Judged {
  /** Together with what is known. */
  readonly lookup: Lookup;
  /** By itself. */
  readonly history: History;
}

/**
 * Reasons to get a newer trusted root that only a trusted signer can cause. Everybody can log a certificate of an authority
 * that is not known, so that is a reason only where what is proven does not let the image pass.
 */
const STRANGERS_APART: ReadonlySet<RecordErrorCode> = new Set(
  [...ROOT_TOO_OLD].filter((code) => code !== "bad-certificate"),
);

function lookupIn(history: History, known: History | undefined): Lookup {
  const unreadable = countOf(history.rejected, UNPROVEN);
  if (unreadable > 0) {
    // One of them may be the record that stands, shown by the log without what proves it.
    const what = `${unreadable} ${unreadable === 1 ? "entry" : "entries"} of a trusted signer for this tag`;
    const detail = `the log has ${what}, but does not prove what was signed or that it took it in; or the trusted root does not have this log`;
    return failed({ reason: "unproven", detail }, history.rejected);
  }
  return found(known === undefined ? history : joinHistories(known, history));
}

/**
 * What was found, unless the log or a ledger has an earlier record of another image than the one that the lock file begins with:
 * then one of the two was withheld.
 */
function withoutContradiction(looked: Lookup, locked: History, place: "ledger" | "log"): Lookup {
  const detail = lockContradiction(looked.history, locked, place);
  return detail === undefined ? looked : failed({ reason: "contradicted", detail }, looked.history.rejected);
}

/** What to say where the whole history begins with another image than the lock file, because of what this place has. */
export function lockContradiction(
  looked: History,
  locked: History,
  place: "ledger" | "log",
): string | undefined {
  const stood = (history: History) => {
    const stands = standing(history);
    return stands?.superseded[0] ?? stands?.record;
  };
  const first = stood(looked);
  const lockedFirst = stood(locked);
  if (first === undefined || lockedFirst === undefined || first.digest === lockedFirst.digest)
    return undefined;
  return `the lock file contradicts the ${place}: it begins with "${lockedFirst.digest}" (log index ${lockedFirst.logIndex}), and the ${place} with "${first.digest}" (log index ${first.logIndex})`;
}

function found(history: History): Lookup {
  const stands = standing(history);
  return { history, ...(stands && { standing: stands }) };
}

function failed(
  failure: NonNullable<Lookup["failure"]>,
  rejected: History["rejected"] = NOTHING.history.rejected,
): Lookup {
  return { history: { ...NOTHING.history, rejected }, failure };
}

function sumOf(counts: readonly History["rejected"][]): History["rejected"] {
  const sum = new Map<RecordErrorCode, number>();
  for (const [code, count] of counts.flatMap((each) => [...each]))
    sum.set(code, (sum.get(code) ?? 0) + count);
  return sum;
}

function countOf(rejected: History["rejected"], codes: ReadonlySet<RecordErrorCode>): number {
  return [...codes].reduce((sum, code) => sum + (rejected.get(code) ?? 0), 0);
}

/**
 * The digests under which a log's index has the tag: that of our name for it, and that of the name which tlogistry gave
 * it, of Docker Hub's images another one. tlogistry's records are counted as rejected where they do not count.
 */
export function searchHashes(reference: Reference): readonly string[] {
  return [...new Set([subjectHash(reference), tlogistrySubjectHash(reference)])];
}

/** The identity whose records alone count, if there is a single one: other entries need not be read then. */
function onlyIdentity(trust: readonly Trust[]): string | undefined {
  const [only, ...others] = trust;
  return others.length === 0 && only?.signer.kind === "identity" && !only.tlogistry
    ? only.signer.identity
    : undefined;
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

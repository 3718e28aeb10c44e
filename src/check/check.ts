// SPDX-License-Identifier: Apache-2.0
import { taggedName } from "../image/reference.ts";
import { ruleFor } from "../policy/rule-for.ts";
import type { Rule } from "../policy/rule.ts";
import { type History, latest, type Standing } from "../record/history.ts";
import { ManifestError } from "../record/manifest.ts";
import { approve, toBeSuperseded } from "./approval.ts";
import type { CheckContext, ConsumedImage } from "./context.ts";
import { type Judgement, outcomeOf } from "./judgement.ts";
import {
  ask,
  type AskedResult,
  type Check,
  decideOn,
  type DecisionResult,
  type ImageCheck,
  isToBeApproved,
  messageOf,
  NOTHING,
} from "./lookup.ts";
import { codeOf, recordSighting, servedManifest, whyNotNamed } from "./recording.ts";
import { samePlatforms } from "./same-platforms.ts";
import { openSigners } from "./signers.ts";
import { type Lookup, oldEnough, type TooNew, type Unchanged, type Verdict, whyUnread } from "./verdict.ts";

const MAX_FOREIGN_SHOWN = 3;

type Moved = Extract<Verdict, { kind: "moved" }>;
type Unknown = Extract<Verdict, { kind: "unknown" }>;
type Unrecorded = Extract<Verdict, { kind: "unrecorded" }>;

/** Judges images: one judgement for each, in their order. Throws CheckError, TrustError, and what starting a courier throws. */
export type JudgeImages = (images: readonly ConsumedImage[]) => Promise<readonly Judgement[]>;

/**
 * Opens a check, which judges every image by its tag's history in the log; tags without one are recorded when the
 * policy says so and the build can sign. What it learns and writes for one image it knows for the next.
 *
 * Images of one tag are judged one after the other, whichever calls name them: the first one's record holds for the second.
 */
export function openCheck(context: CheckContext): JudgeImages {
  const check: Check = { context, signers: openSigners(context), known: new Map<string, Lookup>() };
  const tags = new Map<string, Promise<unknown>>();
  const judgeInTurn = (image: ConsumedImage): Promise<Judgement> => {
    if (image.reference.tag === undefined) return judge(check, image);
    const name = taggedName(image.reference);
    const judgement = (tags.get(name) ?? Promise.resolve()).then(() => judge(check, image));
    tags.set(name, judgement);
    return judgement;
  };
  return (images) => Promise.all(images.map(judgeInTurn));
}

async function judge(check: Check, image: ConsumedImage): Promise<Judgement> {
  const { context, known } = check;
  const { reference } = image;
  const rule = ruleFor(context.policy, reference);
  const { decision, lookup } = await settle({ ...check, image, rule });
  const { history, standing, unread, contradiction, askedOn } = lookup;
  // What was remembered says nothing of another image of the tag.
  if (standing !== undefined && askedOn === undefined) known.set(taggedName(reference), lookup);
  const verdict: Verdict =
    decision.kind === "unseen" ? { kind: "unrecorded", reason: "policy", detail: "" } : decision;
  const records = standing === undefined ? [] : restsOn(history, standing, rule);
  const outcome = outcomeOf(verdict, rule, context.policy.profile);
  return {
    reference,
    verdict,
    rule,
    outcome,
    rejected: history.rejected,
    // A tag that is followed has named others before.
    foreign:
      rule.action === "follow"
        ? []
        : history.foreign.filter(({ digest }) => digest !== reference.digest).slice(0, MAX_FOREIGN_SHOWN),
    records,
    ...(unread && { unread }),
    ...(contradiction && { contradiction }),
    ...(askedOn !== undefined && { askedOn }),
  };
}

/**
 * What the verdict rests on, in log order: the record that stands and those before it; of a followed tag, the newest one
 * too; and where an age is wanted, what proves it. So a lock file of these comes to the same verdict.
 */
function restsOn(history: History, standing: Standing, { action, minAge }: Rule): Judgement["records"] {
  const { superseded, record } = standing;
  const current = action === "follow" ? (latest(history) ?? record) : record;
  const sightings = history.records.filter(({ digest }) => digest === current.digest);
  const [first = current] = sightings;
  const age = minAge === undefined ? [] : [first, ...sightings.filter(({ may }) => may.has("vouch"))];
  const needed = new Set([...superseded, record, current, ...age]);
  return history.records.filter((each) => needed.has(each));
}

async function settle(one: ImageCheck): Promise<DecisionResult> {
  // A decision that needs no record needs no log either.
  const decision = decideOn(one, NOTHING);
  if (decision.kind !== "unseen") return { lookup: NOTHING, decision };
  const asked = await ask(one);
  const acted = await act(one, asked);
  const { unread, contradiction } = asked.lookup;
  // Writing reads the log again, and no ledger.
  const findings = { ...(unread && { unread }), ...(contradiction && { contradiction }) };
  return { ...acted, lookup: { ...findings, ...acted.lookup } };
}

/** Does what the rule says of what was decided: records what is new, approves what is to be, looks at platforms. */
async function act(one: ImageCheck, asked: AskedResult): Promise<DecisionResult> {
  const { decision } = asked;
  const standing = toBeSuperseded(one, asked);
  if (standing !== undefined) {
    const unread = whyUnread(asked.lookup.history);
    return unread === undefined ? approve(one, asked, standing) : { ...asked, decision: unread };
  }
  switch (decision.kind) {
    case "unseen": {
      const { unwatched } = asked.lookup;
      if (unwatched !== undefined) {
        const detail = unwatched.map((name) => `"${name}"`).join(", ");
        return { ...asked, decision: { kind: "unrecorded", reason: "not-watched", detail } };
      }
      const hidden = one.rule.unseen === "allow" ? undefined : whyNotNamed(one);
      if (hidden !== undefined)
        return { ...asked, decision: { kind: "unrecorded", reason: "internal-name", detail: hidden } };
      return mayRecord(one) ? recordTag(one, asked) : asked;
    }
    case "moved": {
      if (one.rule.action === "follow") return follow(one, asked, decision);
      const compared = await isSameForPlatforms(one, decision.record);
      if (compared === false) return asked;
      const { record } = decision;
      return {
        ...asked,
        decision: compared === true ? aged(one, asked.lookup, { record, note: "same-platforms" }) : compared,
      };
    }
    default:
      return asked;
  }
}

/** Whether new images of the tag are recorded. Whoever approves reviewed one of them, and nothing is signed of another. */
function mayRecord(one: ImageCheck): boolean {
  return one.rule.unseen === "record" && isToBeApproved(one) !== "other";
}

/** Records a tag that has no record. */
async function recordTag(one: ImageCheck, asked: AskedResult): Promise<DecisionResult> {
  const { signers } = one;
  await signers.signing();
  // The build's own signer may be trusted only since the log was asked, and its records may have been there all along.
  if (signers.trusted() !== asked.trust) {
    const again = await ask(one, { isLive: true });
    if (again.decision.kind !== "unseen") return act(one, again);
  }
  const wrote = await recordSighting(one, asked);
  if ("decision" in wrote) return wrote;
  const { lookup } = wrote;
  const decision = decideOn(one, lookup);
  if (decision.kind === "unseen") {
    const detail = `recorded, but who signs here may not record by the policy (${one.context.policy.sources.trust}), so its record lets no tag stand`;
    return { lookup, decision: { kind: "unknown", reason: "unwritten", detail } };
  }
  if (decision.kind === "unchanged" && wrote.isOwn(decision.record))
    return { lookup, decision: { kind: "first-seen", record: decision.record } };
  return { lookup, decision };
}

/**
 * Records that a followed tag names another image now, when that can be recorded. It is followed in any case but one: where
 * tags without a record are blocked, an image of the tag needs one too.
 */
async function follow(one: ImageCheck, asked: DecisionResult, moved: Moved): Promise<DecisionResult> {
  if (!mayRecord(one)) return unwritten(one, asked.lookup, { moved, reason: "policy", detail: "" });
  // A lock file does not know what was recorded since, and each change is recorded once.
  if (!asked.lookup.isOffline || (await one.signers.signing()) === undefined)
    return recordMoved(one, asked, moved);
  const again = await ask(one, { recheck: true, isLive: true });
  return again.decision.kind === "moved" ? recordMoved(one, again, again.decision) : again;
}

async function recordMoved(one: ImageCheck, asked: DecisionResult, moved: Moved): Promise<DecisionResult> {
  const wrote = await recordSighting(one, asked);
  if ("decision" in wrote) {
    const { decision } = wrote;
    return decision.kind === "unrecorded"
      ? unwritten(one, asked.lookup, { moved, reason: decision.reason, detail: decision.detail })
      : wrote;
  }
  const { lookup } = wrote;
  const newer = latest(lookup.history);
  // Another signer's sighting of yet another image may be newer than ours; and an observer's sighting is not followed.
  if (newer === undefined || newer.digest !== one.image.reference.digest)
    return unwritten(one, lookup, { moved, reason: "no-signer", detail: "" });
  const decision = aged(one, lookup, { record: newer });
  return { lookup, decision: decision.kind === "too-new" ? decision : { ...moved, newer } };
}

/** The decision on a followed image that is not recorded now. Where the rule wants a record or an age, one has to prove it. */
function unwritten(
  one: ImageCheck,
  lookup: Lookup,
  { moved, ...why }: Omit<Unrecorded, "kind"> & { readonly moved: Moved },
): DecisionResult {
  const { minAge, unseen } = one.rule;
  const seen = latest(lookup.history, one.image.reference.digest);
  if (seen === undefined && (minAge !== undefined || unseen === "block"))
    return { lookup, decision: { kind: "unrecorded", ...why } };
  if (seen === undefined || minAge === undefined) return { lookup, decision: moved };
  const decision = aged(one, lookup, { record: seen });
  return { lookup, decision: decision.kind === "too-new" ? decision : moved };
}

/** `unchanged`, unless the rule wants an age that these records do not prove. */
function aged(
  { rule, context }: ImageCheck,
  { history }: Lookup,
  unchanged: Omit<Unchanged, "kind">,
): Unchanged | TooNew {
  return oldEnough({ kind: "unchanged", ...unchanged }, history.records, { rule, now: context.now() });
}

/**
 * Whether the image, another index than the recorded one, is the same for the platforms that are built; `unknown` when
 * the registry could not be asked. An image that it does not have, or does not show to everybody, is another one.
 */
async function isSameForPlatforms(
  { image: { reference, platforms }, signers, context, rule }: ImageCheck,
  recorded: Moved["record"],
): Promise<boolean | Unknown> {
  const { digest } = reference;
  if (recorded.platforms.length === 0 || platforms.length === 0 || digest === undefined) return false;
  try {
    const served = await servedManifest(await signers.asking(), { ...reference, tag: digest }, context);
    return (
      "platforms" in served &&
      served.digest === digest &&
      samePlatforms(recorded.platforms, served.platforms, platforms)
    );
  } catch (error) {
    const code = codeOf(error);
    const isAnswer = code === "not-found" || code === "needs-credentials" || error instanceof ManifestError;
    // With `pin` the recorded image is built, whatever the registry would answer.
    if (isAnswer || rule.action === "pin") return false;
    const detail = `the tag names another digest than recorded, and the registry could not be asked whether that is the same image for ${platforms.join(", ")}: ${messageOf(error)}`;
    return { kind: "unknown", reason: "not-compared", detail };
  }
}

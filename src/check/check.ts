// SPDX-License-Identifier: Apache-2.0
import { taggedName } from "../image/reference.ts";
import { allowsPlainHttp } from "../policy/policy.ts";
import { ruleFor } from "../policy/rule-for.ts";
import type { Rule } from "../policy/rule.ts";
import { type History, latest } from "../record/history.ts";
import { readManifest } from "../record/manifest.ts";
import { approve, toBeSuperseded } from "./approval.ts";
import {
  aged,
  ask,
  type Case,
  type CheckContext,
  type ConsumedImage,
  type Decided,
  decideOn,
  isProven,
  unprovenRecord,
  writeSighting,
} from "./case.ts";
import { follow } from "./following.ts";
import { type Judgement, outcomeOf } from "./judgement.ts";
import { NOTHING } from "./lookup.ts";
import { samePlatforms } from "./same-platforms.ts";
import { openSigners } from "./signers.ts";
import type { Lookup, Verdict } from "./verdict.ts";

type Moved = Extract<Verdict, { kind: "moved" }>;

/** Judges images: one judgement for each, in their order. Throws CheckError, TrustError, and what starting a courier throws. */
export type JudgeImages = (images: readonly ConsumedImage[]) => Promise<readonly Judgement[]>;

/**
 * Opens a check, which judges every image by its tag's history in the log; tags without one are recorded when the
 * policy says so and the build can sign. What it learns and writes for one image it knows for the next.
 *
 * Images of one tag are judged one after the other, so that the first one's record holds for the second.
 */
export function openCheck(context: CheckContext): JudgeImages {
  const signers = openSigners(context);
  const known = new Map<string, History>();
  const tags = new Map<string, Promise<unknown>>();
  const judgeOne = (image: ConsumedImage): Promise<Judgement> => judge({ image, signers, context, known });
  return (images) =>
    Promise.all(
      images.map((image) => {
        if (image.reference.tag === undefined) return judgeOne(image);
        const name = taggedName(image.reference);
        const judgement = (tags.get(name) ?? Promise.resolve()).then(() => judgeOne(image));
        tags.set(name, judgement);
        return judgement;
      }),
    );
}

async function judge(start: Omit<Case, "rule">): Promise<Judgement> {
  const { image, context, known } = start;
  const { reference } = image;
  const rule = ruleFor(context.policy, reference);
  const { decision, rejected, lookup } = await settle({ ...start, rule });
  if (lookup.kind === "found") known.set(taggedName(reference), lookup.history);
  const verdict: Verdict =
    decision.kind === "unseen" ? { kind: "unrecorded", reason: "policy", detail: "" } : decision;
  const records = lookup.kind === "found" ? restsOn(lookup, rule) : [];
  const outcome = outcomeOf(verdict, rule, context.policy.profile);
  return {
    reference,
    ...(image.namedBy && { namedBy: image.namedBy }),
    verdict,
    rule,
    outcome,
    rejected,
    records,
  };
}

/**
 * What the verdict rests on, in log order: the record that stands and those before it; of a followed tag, the newest one
 * too; and where an age is wanted, what proves it. So a lock file of these comes to the same verdict.
 */
function restsOn(
  { history, standing }: Extract<Lookup, { kind: "found" }>,
  { action, minAge }: Rule,
): Judgement["records"] {
  const { superseded, record } = standing;
  const current = action === "follow" ? (latest(history) ?? record) : record;
  const sightings = history.records.filter(({ digest }) => digest === current.digest);
  const [first = current] = sightings;
  const age = minAge === undefined ? [] : [first, ...sightings.filter(({ may }) => may.has("vouch"))];
  const needed = new Set([...superseded, record, current, ...age]);
  return history.records.filter((each) => needed.has(each));
}

async function settle(one: Case): Promise<Decided> {
  // What is decided without any record needs nobody to be asked.
  const decision = decideOn(one, NOTHING.lookup);
  return decision.kind === "unseen" ? act(one, await ask(one)) : { ...NOTHING, decision };
}

/** Does what the rule says of what was decided: records what is new, approves what is to be, looks at platforms. */
async function act(one: Case, asked: Decided): Promise<Decided> {
  const { decision } = asked;
  const standing = toBeSuperseded(one, asked);
  if (standing !== undefined) return approve(one, asked, standing);
  switch (decision.kind) {
    case "unseen":
      return one.rule.unseen === "record" ? recordTag(one, asked) : asked;
    case "moved":
      if (one.rule.action === "follow") return follow(one, asked, decision);
      if (!(await isSameForPlatforms(one, decision.record))) return asked;
      return {
        ...asked,
        decision: aged(one, asked, { kind: "unchanged", record: decision.record, note: "same-platforms" }),
      };
    default:
      return asked;
  }
}

/** Records a tag that nobody recorded before. */
async function recordTag(one: Case, asked: Decided): Promise<Decided> {
  const { signers } = one;
  const before = signers.trusted().length;
  await signers.signing();
  // The build's own signer may be trusted only since now, and its records may have been there all along.
  if (signers.trusted().length > before) {
    const again = await ask(one);
    if (again.decision.kind !== "unseen") return act(one, again);
  }
  const wrote = await writeSighting(one, asked);
  if (wrote === undefined)
    return { ...asked, decision: { kind: "unrecorded", reason: "no-signer", detail: "" } };
  if ("kind" in wrote) return { ...asked, decision: wrote };
  if (!isProven(wrote)) return { ...wrote, decision: unprovenRecord(wrote) };
  const decision = decideOn(one, wrote.lookup);
  if (decision.kind === "unseen") return { ...wrote, decision: mayNotRecord(one) };
  if (decision.kind === "unchanged" && wrote.isOwn(decision.record))
    return { ...wrote, decision: { kind: "first-seen", record: decision.record } };
  return { ...wrote, decision };
}

function mayNotRecord({ context: { policy } }: Case): Verdict {
  const detail = `recorded, but who signs here may not record by the policy (${policy.sources.trust}), so its record lets no tag stand`;
  return { kind: "unknown", reason: "unwritten", detail };
}

/** Whether the image, another index than the recorded one, is the same for the platforms that are built. */
async function isSameForPlatforms(
  { image: { reference, platforms }, signers, context }: Case,
  recorded: Moved["record"],
): Promise<boolean> {
  const { registry, repository, digest } = reference;
  if (recorded.platforms.length === 0 || platforms.length === 0 || digest === undefined) return false;
  try {
    const courier = await signers.asking();
    const plainHttp = allowsPlainHttp(context.policy, registry);
    const what = { registry, repository, tag: digest, plainHttp };
    const { bytes, mediaType } = await courier.manifest(what, { signal: context.deadline() });
    const served = readManifest(bytes, mediaType);
    return served.digest === digest && samePlatforms(recorded.platforms, served.platforms, platforms);
  } catch {
    // What could not be looked at is another image.
    return false;
  }
}

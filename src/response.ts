// SPDX-License-Identifier: Apache-2.0
import { withEvidence } from "./attest.ts";
import { showJudgements } from "./build-progress.ts";
import { CheckError } from "./check/signers.ts";
import type { Judgement } from "./check/judgement.ts";
import { dayOf } from "./day.ts";
import { withContextLines } from "./conversion/context-lines.ts";
import type { GateContext, Judge, Judged } from "./gate.ts";
import type { Bridge } from "./gateway/bridge.ts";
import { withMetadata } from "./gateway/result-additions.ts";
import { textAnswer } from "./gateway/text-answer.ts";
import { TEXT_REQUESTS } from "./gateway/text-requests.ts";
import { distinctJudgements, judgeAllTargets, newLock, printLock, writeLock } from "./lock-answer.ts";
import { formatReference, taggedName } from "./image/reference.ts";
import type { ImageSource, SourceLocation } from "./llb/image-sources.ts";
import type { OwnRequest } from "./own-request.ts";
import { printPins } from "./pins-answer.ts";
import type { Commands } from "./policy/commands.ts";
import { renderPolicy } from "./policy/policy-text.ts";
import type { EffectivePolicy } from "./policy/policy.ts";
import { makeReport } from "./report/report.ts";
import { reportText } from "./report/report-text.ts";
import type { OpenedCheck } from "./setup.ts";

/** A build that consumes images which the policy refuses. Nothing of it has run. */
export class BuildRefused extends Error {
  override readonly name = "BuildRefused";
  readonly judgements: readonly Judgement[];
  readonly images: readonly ImageSource[];
  constructor(judgements: readonly Judgement[], images: readonly ImageSource[]) {
    super("the build consumes images that are refused");
    this.judgements = judgements;
    this.images = images;
  }
}

/** What a response is made with. */
export interface ResponseContext {
  readonly request: OwnRequest | undefined;
  readonly opened: OpenedCheck;
  readonly commands: Commands;
  /** What the conversion was judged with, for targets that only a lock file asks for. */
  readonly gate: GateContext;
  /** Whether the engine puts attestations beside images. */
  readonly attestations: boolean;
}

/**
 * The encoded Result that answers a build or a request of ours, once every image is judged. Throws BuildRefused for a
 * build with refused images, and CheckError for an approval of an image that the build does not use.
 */
export async function respond(
  bridge: Bridge,
  judged: Judged,
  { request, opened, commands, gate, attestations }: ResponseContext,
): Promise<Uint8Array> {
  if (request === "lock" || commands.lock === "update") {
    return respondWithLock(bridge, await judgeAllTargets(bridge, judged, gate), { opened, commands });
  }
  const { conversion, judgements } = judged;
  if (commands.approve !== undefined) requireUsed(commands.approve, judgements);
  const images = await withContextLines(bridge, conversion, gate.platforms);
  const inOrder = inDockerfileOrder(judgements, images);
  const { policy } = opened;
  const report = makeReport(inOrder, { images, policy });
  if (request === "check") {
    const refused = inOrder.some(({ outcome }) => outcome === "refuse");
    const answer = { text: reportText(report, inOrder), json: report, status: refused ? 1 : 0 } as const;
    return textAnswer(TEXT_REQUESTS.check, answer);
  }
  if (request === "sourcePolicy" || request === "regoData") return printPins(request, inOrder);
  await refuseOrShow(bridge, inOrder, images);
  const result = await withEvidence(bridge, conversion, {
    judgements: inOrder,
    images,
    policy,
    attestations,
  });
  if (judgements.length === 0) return result;
  return withMetadata(result, { "frontend.tlog": JSON.stringify(report) });
}

/** The new lock file, printed or as the result of the build. Throws BuildRefused for images that are refused. */
async function respondWithLock(
  bridge: Bridge,
  judged: readonly Judged[],
  { opened: { lock, policy, context }, commands }: Pick<ResponseContext, "opened" | "commands">,
): Promise<Uint8Array> {
  const judgements = distinctJudgements(judged);
  if (commands.approve !== undefined) requireUsed(commands.approve, judgements);
  const images = judged.flatMap(({ conversion }) => conversion.images);
  await refuseOrShow(bridge, judgements, images);
  const isDated = policy.recheck === "daily";
  const update = newLock(lock, judgements, isDated ? dayOf(context.now()) : undefined);
  return commands.lock === "update"
    ? writeLock(bridge, update, policy.lock)
    : printLock(update, { isCheck: commands.lock === "check" });
}

/** Judges images that other builds put into this one. Throws BuildRefused. */
export async function refuseLinked(
  bridge: Bridge,
  images: readonly ImageSource[],
  judge: Judge,
): Promise<void> {
  const consumed = images.map(({ reference, platforms }) => ({ reference, platforms, claimed: false }));
  await refuseOrShow(bridge, await judge(consumed), images);
}

/** The policy in effect, as the answer to the request for it. */
export function showPolicy(policy: EffectivePolicy): Uint8Array {
  const text = renderPolicy(policy);
  return textAnswer(TEXT_REQUESTS.policy, { text, json: { policy: text }, status: 0 });
}

/** Shows what there is to say of images that may be used. Throws BuildRefused when there are others. */
async function refuseOrShow(
  bridge: Bridge,
  judgements: readonly Judgement[],
  images: readonly ImageSource[],
): Promise<void> {
  const refused = judgements.filter(({ outcome }) => outcome === "refuse");
  const used = judgements.filter(({ outcome }) => outcome !== "refuse");
  await showJudgements(bridge, used, images);
  if (refused.length > 0) throw new BuildRefused(refused, images);
}

function requireUsed(tag: NonNullable<Commands["approve"]>, judgements: readonly Judgement[]): void {
  const used = judgements.flatMap(({ reference }) =>
    reference.tag === undefined ? [] : [taggedName(reference)],
  );
  if (used.includes(taggedName(tag))) return;
  const list =
    used.length === 0 ? "it uses no image by a tag" : `its images are ${[...new Set(used)].join(", ")}`;
  throw new CheckError(`approve "${taggedName(tag)}": the build does not use it; ${list}`);
}

function linesOf({ reference }: Judgement, images: readonly ImageSource[]): readonly SourceLocation[] {
  const name = formatReference(reference);
  return images.find((image) => formatReference(image.reference) === name)?.locations ?? [];
}

/** As one reads a Dockerfile, from the top; what has no line comes last. */
function inDockerfileOrder(
  judgements: readonly Judgement[],
  images: readonly ImageSource[],
): readonly Judgement[] {
  const line = (judgement: Judgement): number =>
    Math.min(...linesOf(judgement, images).map(({ start }) => start));
  return judgements
    .map((judgement) => ({ judgement, first: line(judgement) }))
    .toSorted((one, other) => (one.first < other.first ? -1 : one.first > other.first ? 1 : 0))
    .map(({ judgement }) => judgement);
}

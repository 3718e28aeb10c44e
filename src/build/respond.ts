// SPDX-License-Identifier: Apache-2.0
import { CheckError } from "../check/signers.ts";
import type { Judgement } from "../check/judgement.ts";
import { dayOf } from "./day.ts";
import type { Bridge } from "../gateway/bridge.ts";
import type { ImportedCaches } from "../gate/imported-caches.ts";
import { requireSbom } from "../gate/sbom.ts";
import { type BuildOptions, isProvenanceWanted } from "../gateway/options.ts";
import { withMetadata } from "../gateway/result-additions.ts";
import { readResult } from "../gateway/result.ts";
import { type Reference, taggedName } from "../image/reference.ts";
import type { ImageSource } from "../llb/image-sources.ts";
import { updateLock } from "../lock/update.ts";
import type { Commands } from "../policy/commands.ts";
import { unreadLines } from "../report/messages.ts";
import type { PlacedJudgement } from "../report/place.ts";
import { makeReport } from "../report/report.ts";
import type { ToldBuild } from "../report/ways-out.ts";
import { showCheck } from "../subrequests/answer.ts";
import { printLock, writeLock } from "../subrequests/lock.ts";
import { printPins } from "../subrequests/pins.ts";
import type { OwnRequest } from "../subrequests/request.ts";
import { convertAllTargets } from "./all-targets.ts";
import { type Converted, resultOf } from "./convert.ts";
import { withEvidence } from "./evidence.ts";
import { type BuildImages, imagesOf } from "./images.ts";
import { showBuild, type ShownBuild, showNotes } from "./progress.ts";
import { toldBuild } from "./told-build.ts";
import { unjudgedOf } from "./unjudged.ts";
import type { OpenedCheck } from "./setup.ts";

/** A build that consumes images which the policy refuses. Nothing of it has run. */
export class BuildRefused extends Error {
  override readonly name = "BuildRefused";
  readonly judgements: readonly PlacedJudgement[];
  readonly images: readonly ImageSource[];
  readonly told: ToldBuild;
  constructor({ judgements, images }: BuildImages, told: ToldBuild) {
    super("the build consumes images that are refused");
    this.judgements = judgements.filter(({ outcome }) => outcome === "refuse");
    this.images = images;
    this.told = told;
  }
}

/** A build whose Dockerfile is converted, and what is wanted of it. */
export interface ResponseContext {
  readonly bridge: Bridge;
  readonly buildOptions: BuildOptions;
  readonly request: OwnRequest | undefined;
  readonly commands: Commands;
  /** Whether the engine puts attestations beside images. */
  readonly attestations: boolean;
  readonly opened: Promise<OpenedCheck>;
  readonly caches: ImportedCaches;
  readonly converted: Converted;
  /** Converts the same Dockerfile with other options. */
  readonly convertFor: (changed: Readonly<Record<string, string>>) => Promise<Converted>;
}

/**
 * The encoded Result that answers a build or a request of ours, once every image is judged. Throws BuildRefused for a
 * build with refused images, the conversion's own failure, and CheckError for an approval of an image that is not used.
 */
export async function respond(context: ResponseContext): Promise<Uint8Array> {
  const { bridge, request, commands, converted, buildOptions } = context;
  const { options } = buildOptions;
  await showNotes(bridge, (await context.opened).notes);
  if (request === "lock" || commands.lock === "update") return respondWithLock(context);
  const found = await imagesOf([converted], options);
  const { judgements, images } = found;
  // A refused build has no result that anybody may have, whatever the conversion says of the rest.
  const isRefused = judgements.some(({ outcome }) => outcome === "refuse");
  const result = isRefused ? undefined : readResult(resultOf(converted));
  const { policy, lock, context: check } = await context.opened;
  if (commands.approve !== undefined) requireUsed(commands.approve, judgements);
  const told = toldBuild(options, { policy, hasLock: lock !== undefined });
  const unjudged = unjudgedOf(options, context.caches, policy);
  const report = makeReport(judgements, { images, policy, unjudged });
  if (request === "check") return showCheck(report, judgements, told);
  if (request === "sourcePolicy" || request === "regoData") return printPins(request, judgements, told);
  const show = { ...found, unjudged, told, now: check.now() };
  await showNotes(bridge, unreadLines(judgements));
  if (result === undefined) throw await refusal(bridge, show);
  requireSbom(result, options);
  const attestations = context.attestations && isProvenanceWanted(options);
  const [evidenced] = await Promise.all([
    withEvidence(bridge, result, { judgements, images, policy, attestations }),
    showBuild(bridge, show),
  ]);
  return judgements.length === 0
    ? evidenced
    : withMetadata(evidenced, { "frontend.tlog": JSON.stringify(report) });
}

/** The new lock file, printed or as the result of the build. Throws BuildRefused for images that are refused. */
async function respondWithLock(context: ResponseContext): Promise<Uint8Array> {
  const { bridge, commands, converted, buildOptions } = context;
  const all = await convertAllTargets(converted, { ...context, options: buildOptions.options });
  const found = await imagesOf(all, buildOptions.options);
  if (found.judgements.every(({ outcome }) => outcome !== "refuse")) for (const each of all) resultOf(each);
  const { policy, lock, context: check } = await context.opened;
  if (commands.approve !== undefined) requireUsed(commands.approve, found.judgements);
  const { options } = buildOptions;
  const unjudged = unjudgedOf(options, context.caches, policy);
  const show = {
    ...found,
    unjudged,
    told: toldBuild(options, { policy, hasLock: lock !== undefined }),
    now: check.now(),
  };
  await showNotes(bridge, unreadLines(found.judgements));
  if (found.judgements.some(({ outcome }) => outcome === "refuse")) throw await refusal(bridge, show);
  await showBuild(bridge, show);
  const isDated = policy.recheck === "daily";
  const update = updateLock({
    old: lock,
    used: tagsOf(found.judgements),
    checked: isDated ? dayOf(check.now()) : undefined,
    records: found.judgements.flatMap(({ records }) => records),
  });
  return commands.lock === "update"
    ? writeLock(bridge, update, policy.lock)
    : printLock(update, { isCheck: commands.lock === "check" });
}

/** The refusal of a build, after it has been shown what there is to say of its other images. */
async function refusal(bridge: Bridge, build: ShownBuild): Promise<BuildRefused> {
  const used = build.judgements.filter(({ outcome }) => outcome !== "refuse");
  await showBuild(bridge, { ...build, judgements: used });
  return new BuildRefused(build, build.told);
}

/** The tags that a build uses, by their canonical names. */
function tagsOf(judgements: readonly Judgement[]): ReadonlySet<string> {
  const tagged = judgements.filter(({ reference }) => reference.tag !== undefined);
  return new Set(tagged.map(({ reference }) => taggedName(reference)));
}

/** Throws CheckError unless the build uses the image that is approved. Of its tag's other digests nothing was signed. */
function requireUsed(approved: Reference, judgements: readonly Judgement[]): void {
  const name = taggedName(approved);
  const used = tagsOf(judgements);
  if (!used.has(name)) {
    const list = used.size === 0 ? "it uses no image by a tag" : `its images are ${[...used].join(", ")}`;
    throw new CheckError(`approve "${name}": the build does not use it; ${list}`);
  }
  // A pinned image is not the one that its tag names.
  const named = judgements
    .filter(({ reference }) => reference.tag !== undefined && taggedName(reference) === name)
    .map(({ reference, verdict }) => (verdict.kind === "pinned" ? verdict.served : reference.digest));
  if (named.includes(approved.digest)) return;
  const now = [...new Set(named)].map((digest) => digest ?? "no digest").join(" and ");
  throw new CheckError(
    `approve "${name}": it names ${now} now, and ${approved.digest} was reviewed; nothing was signed`,
  );
}

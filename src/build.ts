// SPDX-License-Identifier: Apache-2.0
import { showJudgements } from "./build-progress.ts";
import { check, type CheckContext, type Judgement } from "./check/check.ts";
import { withContextLines } from "./conversion/context-lines.ts";
import { type Conversion, convert } from "./conversion/conversion.ts";
import { showHiddenBases } from "./conversion/hidden-bases.ts";
import { pinNamedContexts, pinUndigested } from "./conversion/pinned-options.ts";
import type { Bridge } from "./gateway/bridge.ts";
import { readEngine } from "./gateway/engine.ts";
import { type BuildOptions, targetPlatforms } from "./gateway/options.ts";
import { isServiceError } from "./gateway/status.ts";
import { formatReference } from "./image/reference.ts";
import { readDefinition } from "./llb/definition.ts";
import { imageSources, type ImageSource } from "./llb/image-sources.ts";
import { withOutcome } from "./report/judgement.ts";

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

/** Questions about a Dockerfile that the conversion answers with text alone. */
const TEXT_REQUESTS = new Set([
  "frontend.lint",
  "frontend.outline",
  "frontend.targets",
  "frontend.subrequests.describe",
]);

/**
 * The whole way of one build: convert, see every image, judge it, say so. Answers the encoded Result to return.
 *
 * Throws BuildRefused, what BuildKit says of the Dockerfile (ServiceError), and the errors of what could not be
 * judged at all; then nothing may be returned but an error.
 */
export async function build(
  bridge: Bridge,
  buildOptions: BuildOptions,
  context: CheckContext,
): Promise<Uint8Array> {
  const { options, buildPlatform } = buildOptions;
  const asked = bridge.inputs();
  // An old engine may fail at it, and what is told then is that it is old.
  asked.catch(() => undefined);
  const { unsure } = await readEngine(bridge);
  const inputs = await asked;
  // Linked builds can be run by the conversion itself, when one of them is the build's context.
  const linked = imageSources(Object.values(inputs).map(readDefinition));
  await passAll(bridge, linked, { context });

  let conversion = await convert(bridge, { options: await pinNamedContexts(bridge, options), inputs });
  if (isTextAnswer(conversion)) return conversion.result.bytes;
  const platforms = { target: targetPlatforms(buildOptions), build: buildPlatform, unsure };
  conversion = await pinAll(bridge, conversion);
  const judged = await showHiddenBases(bridge, conversion, platforms);

  const locate = () => withContextLines(bridge, judged, platforms);
  await passAll(bridge, judged.images, { context, locate });
  return judged.result.bytes;
}

function isTextAnswer({ request, result }: Conversion): boolean {
  return (
    TEXT_REQUESTS.has(request.options["requestid"] ?? "") &&
    result.refs.every(({ definition }) => definition.length === 0)
  );
}

/** Converts again, with digests for the images that have none. Those that still have none are for the gate to refuse. */
async function pinAll(bridge: Bridge, conversion: Conversion): Promise<Conversion> {
  const undigested = conversion.images.filter(({ reference }) => reference.digest === undefined);
  if (undigested.length === 0) return conversion;
  const options = await pinUndigested(bridge, conversion.request.options, undigested);
  try {
    return await convert(bridge, { ...conversion.request, options });
  } catch (error) {
    // An image that no registry has, such as one that was built here: the first conversion found it.
    if (isServiceError(error)) return conversion;
    throw error;
  }
}

/** The gate: every image is judged, and the verdicts are shown; or the build ends here. */
async function passAll(
  bridge: Bridge,
  images: readonly ImageSource[],
  { context, locate }: { context: CheckContext; locate?: () => Promise<readonly ImageSource[]> },
): Promise<void> {
  const judgements = await check(
    images.map(({ reference }) => reference),
    context,
  );
  const refused = judgements.filter((judgement) => judgement.refused);
  await showJudgements(bridge, judgements.filter((judgement) => !judgement.refused).map(withOutcome), images);
  if (refused.length > 0) {
    // Lines are for the message alone: without them the build is refused all the same, and says why.
    const located = (await locate?.().catch(() => images)) ?? images;
    throw new BuildRefused(inDockerfileOrder(refused, located), located);
  }
}

/** As one reads a Dockerfile, from the top; what has no line comes last. */
function inDockerfileOrder(judgements: readonly Judgement[], images: readonly ImageSource[]): Judgement[] {
  const lines = new Map(
    images.map(({ reference, locations }) => [
      formatReference(reference),
      Math.min(...locations.map(({ start }) => start)),
    ]),
  );
  const line = ({ reference }: Judgement): number => lines.get(formatReference(reference)) ?? Infinity;
  return judgements.toSorted((one, other) =>
    line(one) < line(other) ? -1 : line(one) > line(other) ? 1 : 0,
  );
}

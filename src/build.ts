// SPDX-License-Identifier: Apache-2.0
import { judgeConversion } from "./gate.ts";
import { openCheck } from "./check/check.ts";
import { buildFiles } from "./conversion/beside-dockerfile.ts";
import { type Conversion, convert } from "./conversion/conversion.ts";
import { pinNamedContexts, pinUndigested } from "./conversion/pinned-options.ts";
import { isWrittenIn } from "./conversion/written-digest.ts";
import type { Bridge } from "./gateway/bridge.ts";
import { readEngine } from "./gateway/engine.ts";
import { askedPlatforms, type BuildOptions, targetPlatforms } from "./gateway/options.ts";
import { isServiceError } from "./gateway/status.ts";
import { withOwnRequests } from "./gateway/text-answer.ts";
import { DESCRIBE } from "./gateway/text-requests.ts";
import { readDefinition } from "./llb/definition.ts";
import { imageSources } from "./llb/image-sources.ts";
import { ownRequest, withoutRequest } from "./own-request.ts";
import { refuseLinked, respond, showPolicy } from "./response.ts";
import { LOCK_FILE } from "./record/lock-file.ts";
import { POLICY_FILE, type Setup } from "./setup.ts";
import { verifyImage } from "./verify-image.ts";

/** Questions about a Dockerfile that the conversion answers with text alone. */
const TEXT_REQUESTS = new Set(["frontend.lint", "frontend.outline", "frontend.targets", DESCRIBE]);

/**
 * The whole way of one build: convert, see every image, judge it, say so. Answers the encoded Result to return.
 *
 * Throws BuildRefused, what BuildKit says of the Dockerfile (ServiceError), and the errors of what could not be
 * judged at all; then nothing may be returned but an error.
 */
export async function build(bridge: Bridge, buildOptions: BuildOptions, setup: Setup): Promise<Uint8Array> {
  const { options, buildPlatform } = buildOptions;
  const request = ownRequest(options, setup.commands);
  const asked = bridge.inputs();
  // An old engine may fail at it, and what is told then is that it is old.
  asked.catch(() => undefined);
  const { unsure, attestations } = await readEngine(bridge);
  const inputs = await asked;

  let converting: Promise<Conversion> | undefined;
  const converted = (): Promise<Conversion> => (converting ??= convertOptions());
  const convertOptions = async (): Promise<Conversion> =>
    convert(bridge, { options: await pinNamedContexts(bridge, withoutRequest(options, request)), inputs });
  const origin = { buildOptions, inputs, converted: async () => (await converted()).definitions };
  const open = () => setup.open(buildFiles(bridge, origin, [POLICY_FILE, LOCK_FILE]));
  if (request === "policy") return showPolicy((await open()).policy);
  if (request === "verify") {
    const { image } = setup.commands;
    return verifyImage(bridge, { image, platforms: askedPlatforms(options), opened: await open() });
  }

  // What the text of a Dockerfile answers needs no policy and no log.
  const opening = TEXT_REQUESTS.has(options["requestid"] ?? "") ? undefined : open();
  opening?.catch(() => undefined);
  // Linked builds can be run by the conversion itself, when one of them is the build's context.
  const linked = imageSources(Object.values(inputs).map(readDefinition));
  if (linked.length > 0) await refuseLinked(bridge, linked, openCheck((await (opening ?? open())).context));

  const conversion = await converted();
  if (isTextAnswer(conversion)) {
    const { result } = conversion;
    return options["requestid"] === DESCRIBE ? withOwnRequests(result) : result.bytes;
  }
  const opened = await (opening ?? open());
  const pinned = await pinAll(bridge, conversion);
  const platforms = { target: targetPlatforms(buildOptions), build: buildPlatform, unsure };
  const isWritten = await isWrittenIn(bridge, pinned, { options, platforms });
  const gate = { judge: openCheck(opened.context), platforms, isWritten };
  const judged = await judgeConversion(bridge, pinned, gate);
  return respond(bridge, judged, { request, opened, commands: setup.commands, gate, attestations });
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

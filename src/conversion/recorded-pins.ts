// SPDX-License-Identifier: Apache-2.0
import { readStages } from "../dockerfile/stages.ts";
import type { Bridge } from "../gateway/bridge.ts";
import { isServiceError, messageOf } from "../gateway/status.ts";
import type { Digest } from "../image/digest.ts";
import { familiarName, formatReference, type Reference } from "../image/reference.ts";
import { type Conversion, convert } from "./conversion.ts";
import { dockerfileText } from "./dockerfile-text.ts";
import { pinNames } from "./pinned-options.ts";

/** An image that is to be built from as it was recorded. */
export interface RecordedPin {
  /** As the LLB has it: with the digest that its tag names now. */
  readonly image: Reference;
  /** What the tag named when it was recorded. */
  readonly recorded: Digest;
}

/** Why the recorded image cannot take the place of the one that the tag names now. The message is a whole reason. */
export class PinError extends Error {
  override readonly name = "PinError";
}

/** Throws PinError unless the recorded image can still be had, and a named context can stand for it. */
export async function requirePinnable(
  bridge: Bridge,
  conversion: Conversion,
  { image, recorded }: RecordedPin,
): Promise<void> {
  const pinned = formatReference({ ...image, digest: recorded });
  const key = contextKey(image);
  // BuildKit would take the context for the whole stage, and leave its steps out.
  const stages = readStages(await dockerfileText(bridge, conversion));
  if (stages.some(({ name }) => name?.toLowerCase() === key.toLowerCase())) {
    throw new PinError(`a stage of the Dockerfile has the name "${key}" too; name the stage otherwise`);
  }
  try {
    await bridge.resolveImageConfig({
      Ref: pinned,
      ResolveMode: "default",
      LogName: `[tlog] resolve ${pinned}`,
    });
  } catch (cause) {
    if (!isServiceError(cause)) throw cause;
    throw new PinError(messageOf(cause), { cause });
  }
}

/**
 * Converts again, with the recorded images in the places of those that their tags name now: in FROM, COPY --from,
 * RUN --mount and ONBUILD by named contexts, in the build's own named contexts and its SBOM generator by their options.
 */
export async function convertPinned(
  bridge: Bridge,
  { request }: Conversion,
  pins: readonly RecordedPin[],
): Promise<Conversion> {
  let { options } = request;
  for (const { image, recorded } of pins) {
    const pinned = { ...image, digest: recorded };
    options = pinNames(options, image, pinned);
    options = { ...options, [`context:${contextKey(image)}`]: `docker-image://${formatReference(pinned)}` };
  }
  return convert(bridge, { ...request, options });
}

/** How BuildKit looks up an image that is written by its tag among the named contexts. */
function contextKey({ registry, repository, tag = "latest" }: Reference): string {
  return familiarName({ registry, repository, tag });
}

// SPDX-License-Identifier: Apache-2.0
import { baseImages } from "../dockerfile/base-images.ts";
import { readStages } from "../dockerfile/stages.ts";
import { buildArgs } from "../gateway/options.ts";
import type { Bridge } from "../gateway/bridge.ts";
import { isServiceError } from "../gateway/status.ts";
import { familiarName, formatReference, type Reference } from "../image/reference.ts";
import { formatWholePlatform, parsePlatform } from "../dockerfile/platform.ts";
import type { Definition } from "../llb/definition.ts";
import { type ImageSource, imageSources, platformName } from "../llb/image-sources.ts";
import { marker } from "../llb/marker.ts";
import { type Conversion, convert } from "./conversion.ts";
import { dockerfileText } from "./dockerfile-text.ts";
import { resolveDigest } from "./pinned-options.ts";

/** A base image that the build uses and that cannot be shown in its LLB. The message says which and what to do. */
export class HiddenBaseError extends Error {
  override readonly name = "HiddenBaseError";
}

/** Each round shows at least one stage more; a Dockerfile that needs more of them was made to be obscure. */
const MAX_ROUNDS = 8;

/**
 * Brings every base image that a build uses into its LLB.
 *
 * A base image without layers leaves no source in the LLB, but its environment and its ONBUILD steps are applied.
 * So for each stage whose base is not in the LLB one question is open: is the stage not part of this build, or is
 * its base invisible? The conversion itself answers it: with a marker in place of those bases, the markers of the
 * stages that are used turn up in the LLB. Those bases are then pinned as named contexts, which are always in it.
 */
export async function showHiddenBases(
  bridge: Bridge,
  conversion: Conversion,
  platforms: Platforms,
): Promise<Conversion> {
  let shown = conversion;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    // Each conversion reads the Dockerfile anew, and a server may give it another one.
    const dockerfile = await dockerfileText(bridge, shown);
    const missing = missingBases(shown, dockerfile, platforms);
    if (missing.length === 0) return shown;
    const used = await usedBases(bridge, shown, missing);
    if (used?.length === 0) return shown;
    const hidden = used ?? missing;
    const pinned = await pins(bridge, hidden, dockerfile, platforms);
    shown = await convert(bridge, {
      ...shown.request,
      options: { ...shown.request.options, ...pinned },
    });
    if (used) requireShown(Object.values(pinned), shown.images);
  }
  throw new HiddenBaseError(
    `the build has base images without layers, nested deeper than ${MAX_ROUNDS} levels; give them digests`,
  );
}

/**
 * Stage bases that the LLB does not show at their FROM line. The line counts, and the platform too: each FROM asks
 * the registry for itself, and a registry may answer one of them with layers and the next one without.
 */
function missingBases(conversion: Conversion, dockerfile: string, platforms: Platforms): Reference[] {
  const { options } = conversion.request;
  const missing = new Map<string, Reference>();
  for (const [index, ref] of conversion.result.refs.entries()) {
    const definition = conversion.definitions[index];
    if (ref.attestation || !definition) continue;
    const { images, unknown } = baseImages(dockerfile, {
      buildArgs: buildArgs(options),
      targetPlatforms: ref.platform === undefined ? platforms.target : [ref.platform],
      buildPlatform: platforms.build,
      unsure: platforms.unsure ?? [],
      contextNames: contextNames(options),
      ...(options["target"] && { target: options["target"] }),
    });
    const [doubt] = unknown;
    if (doubt) {
      throw new HiddenBaseError(
        `cannot tell which image ${JSON.stringify(doubt.expression.slice(0, 160))} on line ${doubt.line} of the Dockerfile is: ${doubt.reason}`,
      );
    }
    const all = imageSources([definition]);
    for (const { reference, lines, platform, platformGiven } of images) {
      // The steps of an ONBUILD stand at the FROM's line, and ask for the same tag anew for the build's own platform.
      const shown = platformGiven ? imageSources([ofPlatform(definition, platform)]) : all;
      if (!lines.every(({ start, end }) => isShown(reference, { start, end, dockerfile }, shown))) {
        missing.set(formatReference(reference), reference);
      }
    }
  }
  return [...missing.values()];
}

/** The definition without its sources for other platforms. */
function ofPlatform(definition: Definition, platform: string): Definition {
  const operations = definition.operations.filter(
    ({ op }) =>
      !op.source ||
      !op.platform ||
      formatWholePlatform(parsePlatform(platformName(op.platform))) === platform,
  );
  return { ...definition, operations };
}

/** Whether one of these sources is this image, asked for by these lines of this Dockerfile. */
function isShown(
  base: Reference,
  lines: { start: number; end: number; dockerfile: string },
  sources: readonly ImageSource[],
): boolean {
  return sources.some(
    ({ reference, locations }) =>
      reference.registry === base.registry &&
      reference.repository === base.repository &&
      reference.tag === base.tag &&
      (base.digest === undefined || reference.digest === base.digest) &&
      locations.some(
        ({ start, end, data }) =>
          start <= lines.end && lines.start <= end && new TextDecoder().decode(data) === lines.dockerfile,
      ),
  );
}

/** After it was pinned, a base must be in the LLB: a BuildKit that knows no named contexts would hide it still. */
function requireShown(pinned: readonly string[], images: readonly ImageSource[]): void {
  const shown = new Set(images.map(({ reference }) => `docker-image://${formatReference(reference)}`));
  const hidden = pinned.find((value) => !shown.has(value));
  if (hidden === undefined) return;
  throw new HiddenBaseError(
    `base image "${hidden.slice("docker-image://".length)}" has no layers, and BuildKit does not show it even as a named context, so it cannot be judged; Docker Engine 24 or newer is needed`,
  );
}

/**
 * Those of the missing bases whose stages are part of the build: a conversion with markers in their place shows them.
 * `undefined` when the Dockerfile does not convert so: a marker has no environment, and a stage may need its base's.
 */
async function usedBases(
  bridge: Bridge,
  conversion: Conversion,
  missing: readonly Reference[],
): Promise<Reference[] | undefined> {
  const markers = new Map(missing.map((reference, index) => [reference, marker(`hidden-base-${index}`)]));
  const inputs = { ...conversion.request.inputs };
  const options = { ...conversion.request.options };
  for (const [reference, { name, definition }] of markers) {
    inputs[name] = definition;
    options[`context:${contextKey(reference)}`] = `input:${name}`;
  }
  let probe: Conversion;
  try {
    probe = await convert(bridge, { options, inputs });
  } catch (error) {
    if (isServiceError(error)) return undefined;
    throw error;
  }
  const operations = new Set(
    probe.definitions.flatMap((definition) => definition.operations.map(({ digest }) => digest)),
  );
  const used = [...markers]
    .filter(([, { digest }]) => operations.has(digest))
    .map(([reference]) => reference);
  // Without a marker in it the probe is the same build. Other images in it: a registry that changes its answers, and
  // with other ONBUILD steps other stages are used.
  const probed = new Set(probe.images.map((image) => formatReference(image.reference)));
  const gone = conversion.images.find((image) => !probed.has(formatReference(image.reference)));
  if (used.length === 0 && gone) {
    throw new HiddenBaseError(
      `image "${formatReference(gone.reference)}" was another one when it was asked for again, so it cannot be told which stages the build uses; try again, or give it a digest`,
    );
  }
  return used;
}

/** Named contexts that put these bases, as they are now, into the LLB. */
async function pins(
  bridge: Bridge,
  hidden: readonly Reference[],
  dockerfile: string,
  platforms: Platforms,
): Promise<Record<string, string>> {
  const stageNames = new Set(readStages(dockerfile).map(({ name }) => name?.toLowerCase()));
  const pinned: Record<string, string> = {};
  for (const reference of hidden) {
    const key = contextKey(reference);
    if (stageNames.has(key.toLowerCase())) {
      throw new HiddenBaseError(
        `base image "${formatReference(reference)}" has no layers, and a stage has the same name, so it cannot be judged; name the stage otherwise`,
      );
    }
    const digest = reference.digest ?? (await resolveDigest(bridge, reference, platforms.target[0]));
    if (!digest) {
      throw new HiddenBaseError(
        `base image "${formatReference(reference)}" has no layers and does not resolve to a digest, so it cannot be judged`,
      );
    }
    pinned[`context:${key}`] = `docker-image://${formatReference({ ...reference, digest })}`;
  }
  return pinned;
}

/** How BuildKit looks an image up among the named contexts: its familiar name, without `:latest`. */
function contextKey(reference: Reference): string {
  return familiarName(reference);
}

/** The names of a build's named contexts, some with `::platform` at their end. */
export function contextNames(options: Readonly<Record<string, string>>): string[] {
  return Object.keys(options)
    .filter((name) => name.startsWith("context:"))
    .map((name) => name.slice("context:".length));
}

/** For which platforms the build is made, and on which: `linux/amd64`, … */
export interface Platforms {
  /** Automatic variables of Dockerfiles that the builder may not have. */
  readonly unsure?: readonly string[];
  readonly target: readonly string[];
  readonly build: string;
}

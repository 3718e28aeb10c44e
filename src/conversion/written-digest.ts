// SPDX-License-Identifier: Apache-2.0
import { DockerfileError } from "../dockerfile/dockerfile-error.ts";
import { imageMentions } from "../dockerfile/image-mentions.ts";
import type { Bridge } from "../gateway/bridge.ts";
import { buildArgs } from "../gateway/options.ts";
import { formatReference, type Reference, taggedName } from "../image/reference.ts";
import type { Conversion } from "./conversion.ts";
import { dockerfileText } from "./dockerfile-text.ts";
import { contextNames, type Platforms } from "./hidden-bases.ts";
import { imagesInOptions } from "./pinned-options.ts";

/** What tells whether a digest was written. */
export interface WrittenBy {
  /** The build's own options, without what was added to them. */
  readonly options: Readonly<Record<string, string>>;
  readonly platforms: Platforms;
}

/**
 * Tells of an image `name:tag@digest` whether the person who builds wrote it with that digest, in the Dockerfile or in
 * the build's options. LLB has the digest of `name:tag@digest` and the one that a registry gave for `name:tag` in the
 * same place; so where the tag is also named without a digest nobody can tell, and it counts as the registry's.
 */
export async function isWrittenIn(
  bridge: Bridge,
  conversion: Conversion,
  { options, platforms }: WrittenBy,
): Promise<(image: Reference) => boolean> {
  if (conversion.images.length === 0) return () => false;
  const named = [
    ...imagesIn(await dockerfileText(bridge, conversion), { options, platforms }),
    ...imagesInOptions(options),
  ];
  const written = new Set(named.map(formatReference));
  return (image) =>
    image.tag !== undefined &&
    image.digest !== undefined &&
    written.has(formatReference(image)) &&
    !written.has(taggedName(image));
}

/** The images that a Dockerfile names; none when it cannot be told: then nothing is taken for written. */
function imagesIn(dockerfile: string, { options, platforms }: WrittenBy): readonly Reference[] {
  try {
    const mentions = imageMentions(dockerfile, {
      buildArgs: buildArgs(options),
      targetPlatforms: platforms.target,
      buildPlatform: platforms.build,
      unsure: platforms.unsure ?? [],
      contextNames: contextNames(options),
      ...(options["target"] && { target: options["target"] }),
    });
    return mentions.map(({ reference }) => reference);
  } catch (error) {
    if (error instanceof DockerfileError) return [];
    throw error;
  }
}

// SPDX-License-Identifier: Apache-2.0
import { DockerfileError } from "../dockerfile/dockerfile-error.ts";
import { type ImageMention, imageMentions } from "../dockerfile/image-mentions.ts";
import type { Bridge } from "../gateway/bridge.ts";
import { buildArgs } from "../gateway/options.ts";
import { familiarName, formatReference, parseReference } from "../image/reference.ts";
import type { ImageSource, SourceLocation } from "../llb/image-sources.ts";
import type { Conversion } from "./conversion.ts";
import { dockerfileText } from "./dockerfile-text.ts";
import type { Platforms } from "./hidden-bases.ts";

const CONTEXT = "context:";
const DOCKER_IMAGE = "docker-image://";

/**
 * The images of a conversion, with lines for those that stand in its LLB without any: BuildKit keeps no line of
 * what it takes from a named context. Only for messages: a line that cannot be told stays out.
 */
export async function withContextLines(
  bridge: Bridge,
  conversion: Conversion,
  platforms: Platforms,
): Promise<readonly ImageSource[]> {
  const { images, request } = conversion;
  if (images.every(({ locations }) => locations.length > 0)) return images;
  const text = await dockerfileText(bridge, conversion);
  const mentions = mentionsIn(text, request.options, platforms);
  const place = {
    filename: request.options["filename"] ?? "Dockerfile",
    data: Buffer.from(text),
    language: "Dockerfile",
  };
  return images.map((image) => {
    if (image.locations.length > 0) return image;
    const keys = contextKeys(request.options, formatReference(image.reference));
    const locations: SourceLocation[] = mentions
      .filter(({ reference }) => keys.has(familiarName(reference)))
      .flatMap(({ lines }) => lines.map(({ start, end }) => ({ ...place, start, end })));
    return { ...image, locations };
  });
}

function mentionsIn(
  text: string,
  options: Readonly<Record<string, string>>,
  platforms: Platforms,
): readonly ImageMention[] {
  try {
    return imageMentions(text, {
      buildArgs: buildArgs(options),
      targetPlatforms: platforms.target,
      buildPlatform: platforms.build,
      contextNames: [],
      ...(options["target"] && { target: options["target"] }),
    });
  } catch (error) {
    if (error instanceof DockerfileError) return [];
    throw error;
  }
}

/** The names of the contexts that stand for this image, without their platforms. */
function contextKeys(options: Readonly<Record<string, string>>, image: string): ReadonlySet<string> {
  const keys = Object.entries(options).flatMap(([name, value]) => {
    if (!name.startsWith(CONTEXT) || !value.startsWith(DOCKER_IMAGE)) return [];
    const [key = ""] = name.slice(CONTEXT.length).split("::");
    return formatReference(parseReference(value.slice(DOCKER_IMAGE.length))) === image ? [key] : [];
  });
  return new Set(keys);
}

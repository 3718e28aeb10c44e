// SPDX-License-Identifier: Apache-2.0
import { formatReference } from "../image/reference.ts";
import { type Definition, readDefinition } from "../llb/definition.ts";
import { type ImageSource, imageSources } from "../llb/image-sources.ts";
import { GateError } from "./gate-error.ts";
import type { JudgedImages } from "./judged-images.ts";

/** A definition that may pass: every image in it was judged. */
export interface PassedDefinition {
  readonly definition: Definition;
  readonly images: readonly ImageSource[];
  /** Whether one of its images is refused: then BuildKit must not get it. */
  readonly isRefused: boolean;
}

/**
 * Reads an encoded definition of the conversion's. Throws GateError unless each of its image sources is a digest that was
 * answered, and DefinitionError for operations and sources of kinds that we do not know.
 */
export function passDefinition(bytes: Uint8Array, judged: JudgedImages): PassedDefinition {
  const definition = readDefinition(bytes);
  const images = imageSources([definition]);
  for (const image of images) {
    const { reference } = image;
    if (judged.isAnswered(image) || judged.isRefused(reference)) continue;
    throw new GateError(
      `the conversion uses image "${formatReference(reference)}", which it was not answered, so nobody judged it`,
    );
  }
  return { definition, images, isRefused: images.some(({ reference }) => judged.isRefused(reference)) };
}

// SPDX-License-Identifier: Apache-2.0
import { formatReference } from "../image/reference.ts";
import { SECRET_NAMES } from "../courier/protocol.ts";
import { type Definition, readDefinition, secretsOf } from "../llb/definition.ts";
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
  refuseOwnSecrets(definition);
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

/** Secrets that are for the courier alone: whoever has them signs records in this build's name. */
const OWN_SECRETS: ReadonlySet<string> = new Set(Object.values(SECRET_NAMES));

/** Throws GateError for a step that takes a secret of ours. Any other is the build's own, whatever it is called. */
export function refuseOwnSecrets({ operations }: Definition): void {
  for (const { op } of operations) {
    const taken = secretsOf(op).find((id) => OWN_SECRETS.has(id));
    if (taken === undefined) continue;
    throw new GateError(
      `a step of the build, or an ONBUILD of one of its images, asks for the secret "${taken}", with which tlog-dockerfile signs: whoever reads it can sign records in this build's name; give the step a secret of its own`,
    );
  }
}

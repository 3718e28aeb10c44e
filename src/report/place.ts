// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import type { Digest } from "../image/digest.ts";
import { familiarName, formatReference, type Reference } from "../image/reference.ts";

/**
 * Where a build names an image, and how the name is written there. All texts are safe to show.
 *
 * - `words`: in a Dockerfile, with the words on both sides that are shown with it
 * - `variable`: as the value of an ARG; `isGiven` says that `--build-arg` sets it
 * - `context`: as a named context
 * - `generator`: as the one that makes the bill of materials
 * - `onbuild`: in an ONBUILD of the image `by`
 */
export type Place =
  | { readonly kind: "words"; readonly before: string; readonly written: string; readonly after: string }
  | { readonly kind: "variable"; readonly name: string; readonly written: string; readonly isGiven: boolean }
  | { readonly kind: "context"; readonly name: string; readonly written: string }
  | { readonly kind: "generator"; readonly written: string }
  | { readonly kind: "onbuild"; readonly by: Reference; readonly written: string };

/** A judgement, and where the build names the image; no place when it is not known. */
export interface PlacedJudgement extends Judgement {
  readonly places?: readonly Place[];
}

/** An image that is named in more places has the first of them shown. */
const MAX_PLACES = 6;

/** The image whose ONBUILD names this one, where no line of the Dockerfile does. */
export function namedBy({ places = [] }: PlacedJudgement): Reference | undefined {
  const [first, ...others] = places.map((place) => (place.kind === "onbuild" ? place.by : undefined));
  return others.every(Boolean) ? first : undefined;
}

/** What to write in each place for the image to be the one with this digest, with its tag or without. */
export function writtenWith(
  { reference, places = [] }: PlacedJudgement,
  digest: Digest,
  { withTag }: { readonly withTag: boolean },
): string[] {
  const name = (written: string): string => withDigest(written, digest, withTag ? reference.tag : undefined);
  const lines = places.slice(0, MAX_PLACES).map((place) => {
    switch (place.kind) {
      case "words":
        return `${place.before}${name(place.written)}${place.after}`;
      case "variable":
        return place.isGiven
          ? `--build-arg ${place.name}=${name(place.written)}`
          : `write ${name(place.written)} where ${place.name} is set`;
      case "context":
        return `--build-context ${place.name}=docker-image://${name(place.written)}`;
      case "generator":
        return `--sbom=generator=${name(place.written)}`;
      case "onbuild":
        return `--build-context ${place.written}=docker-image://${name(place.written)}`;
    }
  });
  const { digest: _, ...named } = reference;
  return lines.length > 0 ? [...new Set(lines)] : [`FROM ${name(familiarName(named))}`];
}

/** Whether what is to be written is written into the Dockerfile alone, and not at the command line. */
export function isInDockerfile({ places = [] }: PlacedJudgement): boolean {
  return places.every(({ kind }) => kind === "words");
}

/** Where an image is named, when no line of the Dockerfile says it. */
export function namedByLine(judgement: PlacedJudgement): string[] {
  const by = namedBy(judgement);
  return by === undefined ? [] : [`named by an ONBUILD of "${formatReference(by)}"`];
}

/** The name as it was written, with this tag if one is given, and this digest. */
function withDigest(written: string, digest: Digest, tag: string | undefined): string {
  const [named = ""] = written.split("@");
  const path = named.replace(/:[^:/]*$/, "");
  if (tag === undefined) return `${path}@${digest}`;
  return `${path === named ? `${named}:${tag}` : named}@${digest}`;
}

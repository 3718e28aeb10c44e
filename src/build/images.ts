// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import type { JudgedImage } from "../gate/judged-images.ts";
import { formatReference, type Reference, taggedName } from "../image/reference.ts";
import { type ImageSource, imageSources, type SourceLocation } from "../llb/image-sources.ts";
import type { Converted } from "./convert.ts";

/** The images of a build and what is said of each, once each, as one reads the Dockerfile. */
export interface BuildImages {
  readonly judgements: readonly Judgement[];
  /** Where each is named, in no order. */
  readonly images: readonly ImageSource[];
}

const GRAVITY = { pass: 0, warn: 1, refuse: 2 } as const;

/** The images of conversions of one Dockerfile. Of several judgements on an image the gravest counts: one platform's may be refused alone. */
export async function imagesOf(
  all: readonly Converted[],
  options: Readonly<Record<string, string>>,
): Promise<BuildImages> {
  const [first] = all;
  const distinct = new Map<string, { judgement: Judgement; platforms: Set<string>; isVague: boolean }>();
  for (const { judgement, platforms } of first?.images.all ?? []) {
    const name = formatReference(judgement.reference);
    const known = distinct.get(name) ?? { judgement, platforms: new Set(), isVague: false };
    distinct.set(name, known);
    if (GRAVITY[judgement.outcome] > GRAVITY[known.judgement.outcome]) known.judgement = judgement;
    for (const platform of platforms) known.platforms.add(platform);
    known.isVague ||= platforms.length === 0;
  }
  const shown = new Map(
    imageSources(all.flatMap(({ definitions }) => definitions)).map((image) => [
      formatReference(image.reference),
      image,
    ]),
  );
  const placed = await Promise.all(
    [...distinct.values()].map(async ({ judgement, platforms, isVague }) => {
      const known = shown.get(formatReference(judgement.reference))?.locations ?? [];
      const { locations, namedBy } = await placeOf(judgement, { known, converted: first, options });
      const image = { reference: judgement.reference, platforms: isVague ? [] : [...platforms], locations };
      return { judgement: namedBy === undefined ? judgement : { ...judgement, namedBy }, image };
    }),
  );
  const images = placed.map(({ image }) => image);
  return {
    judgements: inDockerfileOrder(
      placed.map(({ judgement }) => judgement),
      images,
    ),
    images,
  };
}

/** Where an image is named, and the image whose ONBUILD names it when no line of the Dockerfile does. */
interface Place {
  readonly locations: readonly SourceLocation[];
  readonly namedBy?: Reference;
}

/**
 * The place of an image: the lines that the LLB has for it, or for one that leaves no trace there, the lines of the Dockerfile's
 * text that name it, or that name the image whose ONBUILD does.
 */
async function placeOf(
  { reference }: Judgement,
  {
    known,
    converted,
    options,
  }: {
    readonly known: readonly SourceLocation[];
    readonly converted: Converted | undefined;
    readonly options: Readonly<Record<string, string>>;
  },
): Promise<Place> {
  const { dockerfile, frontend, images } = converted ?? {};
  const parents = parentsOf(reference, images?.all ?? []);
  if (dockerfile === undefined || (known.length > 0 && parents.length === 0)) return { locations: known };
  const at = ({ start, end }: { readonly start: number; readonly end: number }): SourceLocation => ({
    filename: options["filename"] ?? "Dockerfile",
    data: dockerfile.data,
    language: "Dockerfile",
    start,
    end,
  });
  const { line, reference: syntax } = frontend ?? {};
  if (line !== undefined && syntax !== undefined && isSame(syntax, reference))
    return { locations: [at({ start: line.line, end: line.line })] };
  // Most builds do without, and it takes a while to load.
  const { linesNaming } = await import("./dockerfile-lines.ts");
  const text = new TextDecoder().decode(dockerfile.data);
  const own = linesNaming(text, reference, options);
  const [parent] = own.length > 0 ? [] : parents;
  const lines = parent === undefined ? own : linesNaming(text, parent, options);
  return { locations: known.length > 0 ? known : lines.map(at), ...(parent && { namedBy: parent }) };
}

/** The images with an ONBUILD that has this image's name in it. */
function parentsOf(reference: Reference, all: readonly JudgedImage[]): Reference[] {
  if (reference.tag === undefined) return [];
  const { registry, repository, tag } = reference;
  const names = [
    taggedName(reference),
    `${repository}:${tag}`,
    `${repository.replace(/^library\//, "")}:${tag}`,
  ];
  return all
    .filter(({ onbuild }) =>
      onbuild.some(
        (trigger) =>
          names.some((name) => trigger.includes(name)) || trigger.includes(`${registry}/${repository}`),
      ),
    )
    .map(({ judgement }) => judgement.reference);
}

function isSame(one: Reference, other: Reference): boolean {
  return one.registry === other.registry && one.repository === other.repository && one.tag === other.tag;
}

/** From the top; what has no line comes last, by name. */
function inDockerfileOrder(
  judgements: readonly Judgement[],
  images: readonly ImageSource[],
): readonly Judgement[] {
  const lines = new Map(
    images.map(({ reference, locations }) => [
      formatReference(reference),
      Math.min(Number.MAX_SAFE_INTEGER, ...locations.map(({ start }) => start)),
    ]),
  );
  return judgements
    .map((judgement) => ({ judgement, name: formatReference(judgement.reference) }))
    .toSorted((one, other) => {
      const [a = 0, b = 0] = [lines.get(one.name), lines.get(other.name)];
      return a - b || (one.name < other.name ? -1 : 1);
    })
    .map(({ judgement }) => judgement);
}

// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import { readReference } from "../conversion/syntax-line.ts";
import { formatReference, type Reference } from "../image/reference.ts";
import { type ImageSource, imageSources, type SourceLocation } from "../llb/image-sources.ts";
import type { Place, PlacedJudgement } from "../report/place.ts";
import type { Converted } from "./convert.ts";

/** The images of a build and what is said of each, once each, as one reads the Dockerfile. */
export interface BuildImages {
  readonly judgements: readonly PlacedJudgement[];
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
      const { locations, places } = await placeOf(judgement, { known, converted: first, options });
      const image = { reference: judgement.reference, platforms: isVague ? [] : [...platforms], locations };
      return { judgement: { ...judgement, places }, image };
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

/** Where an image is named: the lines of a Dockerfile, and every place. */
interface Placed {
  readonly locations: readonly SourceLocation[];
  readonly places: readonly Place[];
}

interface PlacingContext {
  readonly known: readonly SourceLocation[];
  readonly converted: Converted | undefined;
  readonly options: Readonly<Record<string, string>>;
}

/**
 * The places of an image: the lines that the LLB has for it, or for one that leaves no trace there, the lines of the Dockerfile's
 * text that name it, or that name the image whose ONBUILD does. Of an image that nothing is said of but that it is well, a known
 * line is enough.
 */
async function placeOf(
  { reference, outcome }: Judgement,
  { known, converted, options }: PlacingContext,
): Promise<Placed> {
  const { dockerfile, frontend } = converted ?? {};
  if (dockerfile === undefined) return { locations: known, places: [] };
  const text = new TextDecoder().decode(dockerfile.data);
  const all = converted?.images.all ?? [];
  const isKnown =
    known.length > 0 && all.every(({ onbuild }) => onbuild.length === 0) && !OWN_ONBUILD.test(text);
  if (outcome === "pass" && isKnown) return { locations: known, places: [] };
  const at = ({ start, end }: { readonly start: number; readonly end: number }): SourceLocation => ({
    filename: options["filename"] ?? "Dockerfile",
    data: dockerfile.data,
    language: "Dockerfile",
    start,
    end,
  });
  const { line, reference: syntax } = frontend ?? {};
  if (line !== undefined && syntax !== undefined && isSame(syntax, reference)) {
    const place = { kind: "words", before: "# syntax=", written: line.image, after: "" } as const;
    return { locations: [at({ start: line.line, end: line.line })], places: [place] };
  }
  // Most builds do without, and it takes a while to load.
  const { linesNaming, namesInStep } = await import("./dockerfile-lines.ts");
  const own = linesNaming(text, reference, {
    options,
    known: known.filter((each) => isOf(each, dockerfile.data)),
  });
  const linked = [...Map.groupBy(known, ({ data }) => data)]
    .filter(([data]) => !Buffer.from(data).equals(dockerfile.data))
    .flatMap(([data, lines]) =>
      linesNaming(new TextDecoder().decode(data), reference, { options: {}, known: lines }),
    );
  const parents = all.flatMap(({ judgement, onbuild }) =>
    onbuild
      .flatMap(namesInStep)
      .filter((written) => isSame(readReference(written), reference))
      .map((written) => ({ kind: "onbuild", by: judgement.reference, written }) as const),
  );
  const [parent] = own.length > 0 ? [] : parents;
  const lines = parent === undefined ? own : linesNaming(text, parent.by, { options });
  const hidden = own.filter(({ isOnbuild }) => isOnbuild);
  const shown =
    hidden.length > 0
      ? [...known.filter((each) => own.some(({ start }) => start === each.start)), ...hidden.map(at)]
      : known;
  return {
    locations: shown.length > 0 ? shown : lines.map(at),
    places: [
      ...[...own, ...linked].flatMap(({ places }) => places),
      ...parents,
      ...generatorIn(options, reference),
    ],
  };
}

/** An ONBUILD of the Dockerfile's own, whose line the LLB does not have. */
const OWN_ONBUILD = /^[ \t]*ONBUILD[ \t]/im;

function isOf({ data }: SourceLocation, dockerfile: Uint8Array): boolean {
  return Buffer.from(data).equals(dockerfile);
}

/** What BuildKit takes when none is named (frontend/attestations/sbom). */
const DEFAULT_GENERATOR = "docker/buildkit-syft-scanner:stable-1";

/** The place of the image that makes the bill of materials, when it is this one. */
function generatorIn(options: Readonly<Record<string, string>>, reference: Reference): readonly Place[] {
  const asked = options["attest:sbom"] ?? options["build-arg:BUILDKIT_ATTEST_SBOM"];
  if (asked === undefined) return [];
  const [named] = asked.split(",").filter((part) => part.startsWith("generator="));
  const written = named?.slice("generator=".length) ?? DEFAULT_GENERATOR;
  return isSame(readReference(written), reference) ? [{ kind: "generator", written }] : [];
}

function isSame(one: Reference | undefined, other: Reference): boolean {
  return one?.registry === other.registry && one.repository === other.repository && one.tag === other.tag;
}

/** From the top; what has no line comes last, by name. */
function inDockerfileOrder(
  judgements: readonly PlacedJudgement[],
  images: readonly ImageSource[],
): readonly PlacedJudgement[] {
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

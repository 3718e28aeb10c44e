// SPDX-License-Identifier: Apache-2.0
import type { ConsumedImage } from "./check/case.ts";
import type { Judgement } from "./check/judgement.ts";
import type { Conversion } from "./conversion/conversion.ts";
import { type Platforms, showHiddenBases } from "./conversion/hidden-bases.ts";
import { convertPinned, PinError, type RecordedPin, requirePinnable } from "./conversion/recorded-pins.ts";
import type { Bridge } from "./gateway/bridge.ts";
import { formatReference, type Reference } from "./image/reference.ts";
import type { ImageSource } from "./llb/image-sources.ts";

/** Judges images, each of them whole: nothing that it says of one is said again of another. */
export type Judge = (images: readonly ConsumedImage[]) => Promise<readonly Judgement[]>;

/** What the gate is opened with. */
export interface GateContext {
  readonly judge: Judge;
  readonly platforms: Platforms;
  /** Whether the person who builds wrote this image with its tag and its digest. */
  readonly isWritten: (image: Reference) => boolean;
}

/** A conversion of which every image is judged. */
export interface Judged {
  readonly conversion: Conversion;
  /** One for each image of the conversion, in its order. */
  readonly judgements: readonly Judgement[];
}

/**
 * Images can bring others with them (ONBUILD), and those can be pinned too. A build that needs more rounds was made
 * to be obscure.
 */
const MAX_ROUNDS = 8;

/**
 * The gate: every image that the conversion would consume is judged. Those that are to be built as recorded take the
 * places of what their tags name now, in a conversion that is judged in its turn. Answers the last conversion.
 */
export async function judgeConversion(
  bridge: Bridge,
  conversion: Conversion,
  { judge, platforms, isWritten }: GateContext,
): Promise<Judged> {
  let shown = await showHiddenBases(bridge, conversion, platforms);
  const settled = new Map<string, Judgement>();
  const judged = new Map<string, ReadonlySet<string>>();
  /** What took the place of an image, by its name, and the judgement on that image. */
  const replaced = new Map<string, Judgement>();
  for (let round = 0; ; round++) {
    const open = shown.images.filter((image) => !isJudged(image, judged));
    for (const { reference, platforms: all } of open) judged.set(formatReference(reference), new Set(all));
    for (const judgement of await judge(open.map((image) => consumed(image, isWritten)))) {
      const name = formatReference(judgement.reference);
      const moved = replaced.get(name);
      settled.set(name, moved === undefined ? judgement : asPinned(judgement, moved));
    }
    const pins: RecordedPin[] = [];
    for (const judgement of judgementsOf(shown, settled)) {
      const pin = pinOf(judgement, isWritten);
      if (pin === undefined) continue;
      const gone = round < MAX_ROUNDS ? await whyNot(bridge, shown, pin) : TOO_DEEP;
      if (gone === undefined) {
        pins.push(pin);
        const name = formatReference({ ...pin.image, digest: pin.recorded });
        replaced.set(name, judgement);
        // Somewhere else the Dockerfile may have named the recorded image itself.
        const own = settled.get(name);
        if (own !== undefined) settled.set(name, asPinned(own, judgement));
      }
      // If the next conversion has the image still, nothing took its place.
      settled.set(formatReference(pin.image), withGone(judgement, gone ?? NOT_TAKEN));
    }
    if (pins.length === 0) return { conversion: shown, judgements: judgementsOf(shown, settled) };
    shown = await showHiddenBases(bridge, await convertPinned(bridge, shown, pins), platforms);
  }
}

/** Whether there is a judgement on the image that looked at all its platforms: an index can be another one for each. */
function isJudged(
  { reference, platforms }: ImageSource,
  judged: ReadonlyMap<string, ReadonlySet<string>>,
): boolean {
  const known = judged.get(formatReference(reference));
  if (known === undefined) return false;
  // Without any it is not known for which platforms it is.
  return platforms.length > 0 ? platforms.every((platform) => known.has(platform)) : known.size === 0;
}

function judgementsOf({ images }: Conversion, settled: ReadonlyMap<string, Judgement>): readonly Judgement[] {
  return images.map(({ reference }) => {
    const judgement = settled.get(formatReference(reference));
    // Nothing may pass because it was forgotten.
    if (judgement === undefined) throw new Error(`no judgement on "${formatReference(reference)}"`);
    return judgement;
  });
}

const TOO_DEEP = `its pins bring other images that are to be pinned, more than ${MAX_ROUNDS} times`;
const NOT_TAKEN = "the conversion uses the new one all the same";

function consumed({ reference, platforms }: ImageSource, isWritten: GateContext["isWritten"]): ConsumedImage {
  return { reference, platforms, claimed: isWritten(reference) };
}

/** The pin that the rule wants for a moved tag. Who wrote a digest gets that one or none. */
function pinOf(
  { reference, rule, verdict }: Judgement,
  isWritten: GateContext["isWritten"],
): RecordedPin | undefined {
  if (verdict.kind !== "moved" || rule.action !== "pin" || verdict.gone !== undefined) return undefined;
  return isWritten(reference) ? undefined : { image: reference, recorded: verdict.record.digest };
}

async function whyNot(bridge: Bridge, conversion: Conversion, pin: RecordedPin): Promise<string | undefined> {
  try {
    await requirePinnable(bridge, conversion, pin);
    return undefined;
  } catch (error) {
    if (error instanceof PinError) return error.message;
    throw error;
  }
}

function withGone(judgement: Judgement, gone: string): Judgement {
  const { verdict } = judgement;
  return verdict.kind === "moved" ? { ...judgement, verdict: { ...verdict, gone } } : judgement;
}

/** The judgement on the recorded image, as one that took the place of what its tag names now. */
function asPinned(judgement: Judgement, { reference: { digest: served } }: Judgement): Judgement {
  const { verdict } = judgement;
  if (verdict.kind !== "unchanged" || served === undefined) return judgement;
  return { ...judgement, verdict: { kind: "pinned", record: verdict.record, served }, outcome: "warn" };
}

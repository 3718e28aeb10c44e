// SPDX-License-Identifier: Apache-2.0
import type { Bridge } from "../gateway/bridge.ts";
import { CallError, type SourceSnippet } from "../gateway/status.ts";
import type { Trace } from "../gateway/trace.ts";
import type { Warning } from "../gateway/warning.ts";
import { formatReference } from "../image/reference.ts";
import type { ImageSource } from "../llb/image-sources.ts";
import { progressVertices } from "../llb/progress-vertices.ts";
import type { Judgement } from "../check/judgement.ts";
import { progressLine, warningText } from "../report/messages.ts";
import { isPinTold } from "../report/pin-marks.ts";
import type { PlacedJudgement } from "../report/place.ts";
import type { Unjudged } from "../report/report.ts";
import { unjudgedLines } from "../report/report-text.ts";
import type { ToldBuild } from "../report/ways-out.ts";

/** A build as far as it is shown while it goes on. */
export interface ShownBuild {
  readonly judgements: readonly PlacedJudgement[];
  readonly images: readonly ImageSource[];
  readonly unjudged: Unjudged;
  readonly told: ToldBuild;
  readonly now: Date;
}

/**
 * Shows what is said of a build while it goes on: a progress line for each judgement, in their order, and for what is not
 * judged; and BuildKit's own warning, with the Dockerfile's lines, for judgements whose outcome is one. Throws CallError when
 * BuildKit does not show the lines; a warning that it does not take is left out, since its line has been shown.
 */
export async function showBuild(bridge: Bridge, build: ShownBuild): Promise<void> {
  const { judgements, images, unjudged, told, now } = build;
  const lines = [...judgements.map(progressLine), ...unjudgedLines(unjudged)];
  if (lines.length === 0) return;
  const { definition, digests } = progressVertices(lines);
  await bridge.solve({ Definition: definition, Evaluate: true });
  for (const [index, judgement] of judgements.entries()) {
    if (!isWarnedOf(judgement, now)) continue;
    await warn(bridge, warningOf(judgement, { step: digests[index] ?? "", images, told }));
  }
}

/** A pin that nobody would act on today has its progress line alone. */
function isWarnedOf({ outcome, verdict, records }: Judgement, now: Date): boolean {
  if (outcome !== "warn" || verdict.kind !== "pinned") return outcome === "warn";
  const newer = records.filter(({ digest }) => digest === verdict.served);
  return [verdict.record, ...newer].some((record) => isPinTold(record, now));
}

/** Shows what took how long until now, a line each. Throws as `showBuild` does. */
export async function showTrace(bridge: Bridge, { spans }: Trace): Promise<void> {
  const lines = spans.map(
    ({ name, start, end }) =>
      `trace ${start.toFixed(1)} to ${end.toFixed(1)} ms (${(end - start).toFixed(1)}): ${name}`,
  );
  const { definition } = progressVertices(lines);
  await bridge.solve({ Definition: definition, Evaluate: true });
}

/** Shows what people should know, with a warning for each line. Throws as `showBuild` does. */
export async function showNotes(bridge: Bridge, notes: readonly string[]): Promise<void> {
  if (notes.length === 0) return;
  const { definition, digests } = progressVertices(notes);
  await bridge.solve({ Definition: definition, Evaluate: true });
  for (const [index, short] of notes.entries())
    await warn(bridge, { step: digests[index] ?? "", short, detail: [], url: "" });
}

async function warn(bridge: Bridge, warning: Warning): Promise<void> {
  try {
    await bridge.warn(warning);
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
  }
}

/** The warning, as clients show the ones of the standard conversion: with the line's number at its end. */
function warningOf(
  judgement: PlacedJudgement,
  { step, images, told }: Pick<ShownBuild, "images" | "told"> & { readonly step: string },
): Warning {
  const { short, detail, url } = warningText(judgement, told);
  const source = sourceOf(judgement, images);
  const [line] = source?.ranges ?? [];
  return { step, short: line ? `${short} (line ${line.start})` : short, detail, url, source };
}

/** The lines of the first file that names the image: a warning is about one file. */
function sourceOf({ reference }: Judgement, images: readonly ImageSource[]): SourceSnippet | undefined {
  const name = formatReference(reference);
  const locations = images.find((image) => formatReference(image.reference) === name)?.locations ?? [];
  const [first] = locations;
  if (first === undefined) return undefined;
  const { filename, data, language } = first;
  const ranges = locations
    .filter((each) => each.filename === filename)
    .map(({ start, end }) => ({ start, end }));
  return { filename, data, language, ranges };
}

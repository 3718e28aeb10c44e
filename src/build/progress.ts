// SPDX-License-Identifier: Apache-2.0
import type { Bridge } from "../gateway/bridge.ts";
import { CallError, type SourceSnippet } from "../gateway/status.ts";
import type { Warning } from "../gateway/warning.ts";
import { formatReference } from "../image/reference.ts";
import type { ImageSource } from "../llb/image-sources.ts";
import { progressVertices } from "../llb/progress-vertices.ts";
import type { Judgement } from "../check/judgement.ts";
import { progressLine, warningText } from "../report/messages.ts";

/**
 * Shows these judgements while the build goes on: a progress line for each, and BuildKit's own warning, with the
 * Dockerfile's lines, for those whose outcome is one. Throws CallError when BuildKit does not show the lines; a
 * warning that it does not take is left out, since its line has been shown.
 */
export async function showJudgements(
  bridge: Bridge,
  judgements: readonly Judgement[],
  images: readonly ImageSource[],
): Promise<void> {
  if (judgements.length === 0) return;
  const { definition, digests } = progressVertices(judgements.map(progressLine));
  await bridge.solve({ Definition: definition, Evaluate: true });
  for (const [index, judgement] of judgements.entries()) {
    if (judgement.outcome !== "warn") continue;
    await warn(bridge, warningOf(judgement, { step: digests[index] ?? "", images }));
  }
}

/** Shows what people should know, with a warning for each line. Throws as `showJudgements` does. */
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
  judgement: Judgement,
  { step, images }: { readonly step: string; readonly images: readonly ImageSource[] },
): Warning {
  const { short, detail, url } = warningText(judgement);
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

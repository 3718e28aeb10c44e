// SPDX-License-Identifier: Apache-2.0
import { lastLines } from "../e2e/lab/lab-error.ts";
import { KINDS, type Kind, deviation } from "./builds.ts";
import type { Setting } from "./setting.ts";

/** Wall times by kind of build, in milliseconds. */
export type Samples = Readonly<Record<Kind, readonly number[]>>;

/** A timed build that did not go the way it is timed for. The text has the end of its output. */
export class DeviationError extends Error {
  override readonly name = "DeviationError";
}

/**
 * Builds every kind `rounds` times, in alternation, each round beginning with another kind; a first round fills the
 * cache and does not count. `onRound` is told after each. Throws DeviationError.
 */
export async function measure(
  setting: Setting,
  { rounds, onRound }: { readonly rounds: number; readonly onRound: (round: number) => void },
): Promise<Samples> {
  const samples: Record<Kind, number[]> = { none: [], upstream: [], locked: [], ledger: [], ours: [] };
  for (const kind of KINDS) await timeBuild(setting, kind, { warmUp: true });
  for (let round = 1; round <= rounds; round += 1) {
    const first = round % KINDS.length;
    for (const kind of [...KINDS.slice(first), ...KINDS.slice(0, first)]) {
      samples[kind].push(await timeBuild(setting, kind));
    }
    onRound(round);
  }
  return samples;
}

/** The wall time of the whole `docker buildx build` process. */
async function timeBuild(setting: Setting, kind: Kind, { warmUp = false } = {}): Promise<number> {
  const { code, output, durationMs } = await setting.build(kind);
  const { images, frontends } = setting;
  let wrong: string | undefined;
  if (code !== 0) wrong = `it ended with exit code ${code}`;
  else if (!warmUp) wrong = deviation(output, { kind, images, frontend: frontends[kind] });
  if (wrong === undefined) return durationMs;
  throw new DeviationError(
    `a build of kind "${kind}" is not what is to be timed: ${wrong}; its output ends with:\n${lastLines(output, 40)}`,
  );
}

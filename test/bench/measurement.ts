// SPDX-License-Identifier: Apache-2.0
import { lastLines } from "../e2e/lab/lab-error.ts";
import { deviation } from "./builds.ts";
import type { Traffic } from "./delayed-log.ts";
import type { Kind } from "./kinds.ts";
import type { Bench } from "./setting.ts";

/** What the builds of one kind came to. */
export interface Measured {
  /** Wall times, in milliseconds. */
  readonly samples: readonly number[];
  /** What each build asked the log, where that is counted. */
  readonly traffic: readonly Traffic[];
}

/** A timed build that did not go the way it is timed for. The text has the end of its output. */
export class DeviationError extends Error {
  override readonly name = "DeviationError";
}

/**
 * Builds every kind `rounds` times, in alternation, each round beginning with another kind; a first round fills the
 * cache and does not count. `onRound` is told after each. Gives what was measured by the kinds' names. Throws DeviationError.
 */
export async function measure(
  bench: Bench,
  {
    kinds,
    rounds,
    onRound,
  }: { readonly kinds: readonly Kind[]; readonly rounds: number; readonly onRound: (round: number) => void },
): Promise<ReadonlyMap<string, Measured>> {
  const measured = new Map(
    kinds.map(({ name }) => [name, { samples: [] as number[], traffic: [] as Traffic[] }]),
  );
  for (const kind of kinds) await timeBuild(bench, kind, { warmUp: true });
  for (let round = 1; round <= rounds; round += 1) {
    const first = round % kinds.length;
    for (const kind of [...kinds.slice(first), ...kinds.slice(0, first)]) {
      const { milliseconds, traffic } = await timeBuild(bench, kind);
      measured.get(kind.name)?.samples.push(milliseconds);
      if (traffic !== undefined) measured.get(kind.name)?.traffic.push(traffic);
    }
    onRound(round);
  }
  return measured;
}

/** The wall time of the whole `docker buildx build` process, and what it asked the log. */
async function timeBuild(
  bench: Bench,
  kind: Kind,
  { warmUp = false } = {},
): Promise<{ readonly milliseconds: number; readonly traffic: Traffic | undefined }> {
  const { images, frontend, outcome, traffic } = await bench.build(kind);
  const { code, output, durationMs } = outcome;
  let wrong: string | undefined;
  if (code !== 0) wrong = `it ended with exit code ${code}`;
  else if (!warmUp) wrong = deviation(output, { kind, images, frontend });
  if (wrong === undefined) return { milliseconds: durationMs, traffic };
  throw new DeviationError(
    `a build of kind "${kind.name}" is not what is to be timed: ${wrong}; its output ends with:\n${lastLines(output, 40)}`,
  );
}

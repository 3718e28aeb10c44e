// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from "node:util";

/** What the benchmark is told on its command line. */
export interface BenchOptions {
  /** Timed builds of each kind. */
  readonly rounds: number;
  /** The numbers of base images of the Dockerfiles that are built; each gives a table. */
  readonly images: readonly number[];
  /** Whether first recordings are timed too. */
  readonly recording: boolean;
  /** The upstream frontend's image, when it is not to be built from its Go module. */
  readonly upstream?: string;
  /** A built copy of the repository whose frontend is measured, when it is not this one. */
  readonly context?: string;
  /** Results on standard output as JSON instead of a table. */
  readonly json: boolean;
  /** Whether the results are written into docs/performance.md. */
  readonly writeDocs: boolean;
}

export const USAGE = `usage: npm run bench -- [--rounds N] [--images K,…] [--recording] [--upstream IMAGE] [--context DIR] [--json] [--write-docs]

Times fully cached builds of one Dockerfile in alternation: without a syntax line,
with the upstream docker/dockerfile frontend of the same version, and with ours:
by a lock file, by a ledger, and by asking a log on this machine, which answers at
once or after 100 ms.

  --rounds N        timed builds of each kind, 1 to 1000 (15)
  --images K,…      base images of the Dockerfile, 1 to 100 (1); "1,10,50" makes
                    a table for each
  --recording       times first recordings too: tags that no log has, each round
  --upstream IMAGE  an image of the upstream frontend; without it, that of the
                    conversion that we bring along
  --context DIR     a built copy of the repository whose frontend is measured
  --json            results as JSON on standard output
  --write-docs      puts the tables and the plot into docs/performance.md`;

/** What the benchmark of scale is told on its command line. */
export interface ScaleOptions {
  /** Runs of each setting. */
  readonly rounds: number;
  /** The names of the scales that are measured; all when not given. */
  readonly only?: readonly string[];
  readonly json: boolean;
  readonly writeDocs: boolean;
}

export const SCALE_USAGE = `usage: npm run bench:scale -- [--rounds N] [--only NAME,…] [--json] [--write-docs]

Measures how the frontend grows with what it is given: images, records of a tag,
entries by strangers, stages, operations. BuildKit is a fake, all else is real.

  --rounds N    runs of each setting, 1 to 1000 (3)
  --only NAME   scales by name, between commas
  --json        results as JSON on standard output
  --write-docs  puts the tables and the plots into docs/performance.md`;

/** Arguments that are not understood; the text says which. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The options, or "help" when that is asked for. Throws UsageError. */
export function readOptions(args: readonly string[]): BenchOptions | "help" {
  const values = parsed(() =>
    parseArgs({
      args: [...args],
      options: {
        rounds: { type: "string" },
        images: { type: "string" },
        recording: { type: "boolean" },
        upstream: { type: "string" },
        context: { type: "string" },
        json: { type: "boolean" },
        "write-docs": { type: "boolean" },
        help: { type: "boolean" },
      },
    }),
  );
  if (values.help === true) return "help";
  const images = (values.images ?? "1").split(",").map((each) => count("--images", each, 100));
  return {
    rounds: count("--rounds", values.rounds ?? "15", 1_000),
    images: [...new Set(images)].toSorted((one, other) => one - other),
    recording: values.recording ?? false,
    ...(values.upstream === undefined ? {} : { upstream: values.upstream }),
    ...(values.context === undefined ? {} : { context: values.context }),
    json: values.json ?? false,
    writeDocs: values["write-docs"] ?? false,
  };
}

/** The options of the benchmark of scale, which has these scales, or "help" when that is asked for. Throws UsageError. */
export function readScaleOptions(args: readonly string[], scales: readonly string[]): ScaleOptions | "help" {
  const values = parsed(() =>
    parseArgs({
      args: [...args],
      options: {
        rounds: { type: "string" },
        only: { type: "string" },
        json: { type: "boolean" },
        "write-docs": { type: "boolean" },
        help: { type: "boolean" },
      },
    }),
  );
  if (values.help === true) return "help";
  const only = values.only?.split(",");
  const unknown = only?.find((name) => !scales.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`--only names "${unknown}", which is none of "${scales.join('", "')}"`);
  }
  return {
    rounds: count("--rounds", values.rounds ?? "3", 1_000),
    ...(only && { only }),
    json: values.json ?? false,
    writeDocs: values["write-docs"] ?? false,
  };
}

/** What the parser reads. Throws UsageError with its words. */
function parsed<Values>(parse: () => { readonly values: Values }): Values {
  try {
    return parse().values;
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function count(name: string, text: string, most: number): number {
  const value = Number(text);
  if (!/^[1-9]\d*$/.test(text) || value > most) {
    throw new UsageError(`${name} is "${text}", not a whole number from 1 to ${most}`);
  }
  return value;
}

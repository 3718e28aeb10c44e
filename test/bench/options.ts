// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from "node:util";

/** What the benchmark is told on its command line. */
export interface BenchOptions {
  /** Timed builds of each kind. */
  readonly rounds: number;
  /** Base images of the built Dockerfile. */
  readonly images: number;
  /** The upstream frontend's image, when it is not to be built from its Go module. */
  readonly upstream?: string;
  /** A built copy of the repository whose frontend is measured, when it is not this one. */
  readonly context?: string;
  /** Results on standard output as JSON instead of a table. */
  readonly json: boolean;
}

export const USAGE = `usage: npm run bench -- [--rounds N] [--images K] [--upstream IMAGE] [--context DIR] [--json]

Times fully cached builds of one Dockerfile in alternation: without a syntax line,
with the upstream docker/dockerfile frontend of the same version, and with ours:
by a lock file, and by asking a log on this machine.

  --rounds N        timed builds of each kind, 1 to 1000 (15)
  --images K        base images of the Dockerfile, 1 to 100 (1)
  --upstream IMAGE  an image of the upstream frontend; without it, that of the
                    conversion that we bring along
  --context DIR     a built copy of the repository whose frontend is measured
  --json            results as JSON on standard output`;

/** Arguments that are not understood; the text says which. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The options, or "help" when that is asked for. Throws UsageError. */
export function readOptions(args: readonly string[]): BenchOptions | "help" {
  const values = parsed(args);
  if (values.help === true) return "help";
  return {
    rounds: count("--rounds", values.rounds ?? "15", 1_000),
    images: count("--images", values.images ?? "1", 100),
    ...(values.upstream === undefined ? {} : { upstream: values.upstream }),
    ...(values.context === undefined ? {} : { context: values.context }),
    json: values.json ?? false,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        rounds: { type: "string" },
        images: { type: "string" },
        upstream: { type: "string" },
        context: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean" },
      },
    }).values;
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

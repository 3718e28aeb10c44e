// SPDX-License-Identifier: Apache-2.0
import { KINDS, type Kind } from "./builds.ts";
import type { Samples } from "./measurement.ts";

/** What was measured, and on what. */
export interface Results {
  readonly samples: Samples;
  readonly rounds: number;
  readonly images: number;
  readonly engine: string;
  readonly upstream: string;
  readonly cores: number;
  /** The machine's load average over a minute, before and after; ours is one of it. */
  readonly load: readonly [number, number];
}

/** What one kind of build took, in milliseconds. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

const NAMES: Readonly<Record<Kind, string>> = {
  none: "no syntax line",
  upstream: "upstream frontend",
  locked: "tlog-dockerfile, lock file",
  ledger: "tlog-dockerfile, ledger",
  ours: "tlog-dockerfile, log",
};

/** Sums up at least one sample. Throws RangeError without any. */
export function summarize(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b);
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  const upper = sorted[Math.floor(sorted.length / 2)];
  if (lower === undefined || upper === undefined) throw new RangeError("there is no sample to sum up");
  return { median: (lower + upper) / 2, min: Math.min(...sorted), max: Math.max(...sorted) };
}

/** The results as JSON: times in milliseconds, ratios of medians. */
export function jsonReport(results: Results): string {
  const { samples, ...rest } = results;
  const { summaries, ratios } = evaluate(results);
  return `${JSON.stringify({ ...rest, milliseconds: summaries, ratios, samples }, undefined, 2)}\n`;
}

/** The results as a table and the ratios below it. */
export function textReport(results: Results): string {
  const { summaries, ratios } = evaluate(results);
  const rows = KINDS.map((kind) => {
    const { median, min, max } = summaries[kind];
    const more = kind === "none" ? "" : `+${(median - summaries.none.median).toFixed(0)}`;
    return [NAMES[kind], ...[median, min, max].map((value) => value.toFixed(0)), more];
  });
  const { rounds, images, engine, upstream, cores, load } = results;
  return `${table([["fully cached build, ms", "median", "min", "max", "over none"], ...rows])}

lock file / upstream  ${ratios.lockedToUpstream.toFixed(2)}
ledger / upstream     ${ratios.ledgerToUpstream.toFixed(2)}
ledger / lock file    ${ratios.ledgerToLocked.toFixed(2)}
log / upstream        ${ratios.oursToUpstream.toFixed(2)}
log / none            ${ratios.oursToNone.toFixed(2)}
upstream / none       ${ratios.upstreamToNone.toFixed(2)}

${counted(rounds, "round")} in alternation, ${counted(images, "base image")}, Docker Engine ${engine}
upstream: ${upstream}
${counted(cores, "core")}, load average ${load[0].toFixed(1)} before and ${load[1].toFixed(1)} after
`;
}

function evaluate({ samples }: Results) {
  const none = summarize(samples.none);
  const upstream = summarize(samples.upstream);
  const locked = summarize(samples.locked);
  const ledger = summarize(samples.ledger);
  const ours = summarize(samples.ours);
  return {
    summaries: { none, upstream, locked, ledger, ours } satisfies Record<Kind, Summary>,
    ratios: {
      lockedToUpstream: locked.median / upstream.median,
      ledgerToUpstream: ledger.median / upstream.median,
      ledgerToLocked: ledger.median / locked.median,
      oursToUpstream: ours.median / upstream.median,
      oursToNone: ours.median / none.median,
      upstreamToNone: upstream.median / none.median,
    },
  };
}

/** The first column to the left, the others to the right, two blanks between them. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
  return rows.map((row) => line(row).join("  ").trimEnd()).join("\n");
}

function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

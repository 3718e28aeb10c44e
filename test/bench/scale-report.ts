// SPDX-License-Identifier: Apache-2.0
import { describeMachine, type Machine } from "./machine.ts";
import { markdownTable } from "./page.ts";
import { type LinePanel, linePlots } from "./plot.ts";
import type { Cost } from "./scaled-build.ts";
import type { Scale } from "./scales.ts";
import { growth, summarize } from "./summary.ts";

/** What was measured of a scale, and on what. */
export interface ScaleResults {
  readonly scales: readonly {
    readonly scale: Pick<Scale, "name" | "title" | "unit">;
    readonly sizes: readonly MeasuredSize[];
  }[];
  readonly rounds: number;
  readonly machine: Machine;
}

/** The builds of one size. */
export interface MeasuredSize {
  readonly size: number;
  /** Of each run. */
  readonly costs: readonly Cost[];
  /** How long the conversion took alone, in milliseconds. */
  readonly conversionMs: readonly number[];
}

/** The most memory that the deciding process may have, in bytes. */
export const MAX_PEAK_BYTES = 150e6;
/** What is above this grows faster than what it is given; below it is noise. */
const MAX_GROWTH = 1.15;
/** Growth is looked for in what is at least so much above the smallest size, in proportion to that. */
const SEEN = 0.25;

/** The medians of one size. */
interface Row {
  readonly size: number;
  readonly refusal?: string;
  readonly milliseconds: number;
  readonly processorMs: number;
  readonly peakBytes: number;
  readonly conversionMs: number;
  readonly calls: number;
  readonly requests: number;
}

/** How one scale grows: an exponent for each measure, undefined where nothing is to be seen above the smallest size. */
export interface Growth {
  readonly milliseconds: number | undefined;
  readonly processorMs: number | undefined;
  readonly peakBytes: number | undefined;
}

/** The results as JSON. */
export function jsonScaleReport({ scales, rounds, machine }: ScaleResults): string {
  const shown = scales.map(({ scale, sizes }) => {
    const rows = sizes.map(rowOf);
    return { scale: scale.name, unit: scale.unit, growth: growthOf(rows), sizes: rows, runs: sizes };
  });
  return `${JSON.stringify({ machine, rounds, scales: shown }, undefined, 2)}\n`;
}

/** The results for a page of Markdown, with the plots under these addresses; without them, for a terminal. */
export function scaleReport(
  { scales, rounds, machine }: ScaleResults,
  plots: readonly string[] = [],
): string {
  const tables = scales.map(({ scale, sizes }) => {
    const rows = sizes.map(rowOf);
    const head = [
      scale.unit,
      "ms",
      "processor, ms",
      "peak, MB",
      "conversion, ms",
      ...(rows.some(({ requests }) => requests > 0) ? ["requests"] : []),
      "calls",
    ];
    const body = rows.map((row) => cellsOf(row, head));
    return [
      `### ${scale.title}`,
      markdownTable([head, ...body]),
      growthText(growthOf(rows)),
      ...refusalsOf(rows, scale.unit),
    ].join("\n\n");
  });
  const pictures = plots.map((plot) => `![${TITLE}](${plot})`);
  const over = scales.flatMap(({ scale, sizes }) =>
    sizes
      .map(rowOf)
      .filter(({ peakBytes, refusal }) => peakBytes > MAX_PEAK_BYTES && refusal === undefined)
      .map(({ size, peakBytes }) => `${size.toLocaleString("en")} ${scale.unit}: ${mega(peakBytes)} MB`),
  );
  const memory = `The deciding process is to stay below ${mega(MAX_PEAK_BYTES)} MB: ${over.length === 0 ? "it does in all of these" : `it does not with ${over.join(", ")}`}.`;
  const foot = describeMachine(machine, [
    rounds === 1 ? "one run of each size" : `medians of ${rounds} runs, of fewer where one takes seconds`,
  ]);
  return [foot, memory, ...pictures, ...tables].join("\n\n");
}

const TITLE = "What the frontend takes, by what it is given";

/** Time and memory by size, as SVG: a panel for each scale. */
export function scalePlots({ scales }: ScaleResults): {
  readonly time: string;
  readonly memory: string;
} {
  const panels = (
    y: string,
    series: (rows: readonly Row[]) => LinePanel["series"],
    limit?: LinePanel["limit"],
  ) =>
    scales.map(({ scale, sizes }): LinePanel => {
      const rows = sizes.map(rowOf).filter(({ refusal }) => refusal === undefined);
      return { title: scale.title, x: scale.unit, y, series: series(rows), ...(limit && { limit }) };
    });
  const line = (label: string, rows: readonly Row[], value: (row: Row) => number) => ({
    label,
    points: rows.map((row) => [row.size, value(row)] as const),
  });
  return {
    time: linePlots(
      "Time, in milliseconds",
      panels("ms", (rows) => [
        line("whole build", rows, ({ milliseconds }) => milliseconds),
        line("conversion alone", rows, ({ conversionMs }) => conversionMs),
      ]),
    ),
    memory: linePlots(
      "Peak memory of the deciding process, in MB",
      panels("MB", (rows) => [line("peak", rows, ({ peakBytes }) => peakBytes / 1e6)], {
        label: `${mega(MAX_PEAK_BYTES)} MB`,
        y: MAX_PEAK_BYTES / 1e6,
      }),
    ),
  };
}

function rowOf({ size, costs, conversionMs }: MeasuredSize): Row {
  const median = (of: (cost: Cost) => number) => summarize(costs.map(of)).median;
  const refusal = costs.find((cost) => cost.refusal !== undefined)?.refusal;
  return {
    size,
    ...(refusal !== undefined && { refusal }),
    milliseconds: median((cost) => cost.milliseconds),
    processorMs: median((cost) => cost.processorMs),
    peakBytes: median((cost) => cost.peakBytes),
    conversionMs: summarize(conversionMs).median,
    calls: median((cost) => cost.calls),
    requests: median((cost) => cost.requests),
  };
}

function cellsOf(row: Row, head: readonly string[]): readonly string[] {
  const count = (value: number) => Math.round(value).toLocaleString("en");
  return [
    `${count(row.size)}${row.refusal === undefined ? "" : " (refused)"}`,
    count(row.milliseconds),
    count(row.processorMs),
    mega(row.peakBytes),
    count(row.conversionMs),
    ...(head.includes("requests") ? [count(row.requests)] : []),
    count(row.calls),
  ];
}

function refusalsOf(rows: readonly Row[], unit: string): readonly string[] {
  return rows.flatMap(({ size, refusal }) =>
    refusal === undefined ? [] : [`Refused with ${size.toLocaleString("en")} ${unit}: "${refusal}".`],
  );
}

function growthOf(rows: readonly Row[]): Growth {
  return {
    milliseconds: growthAbove(rows, (row) => row.milliseconds),
    processorMs: growthAbove(rows, (row) => row.processorMs),
    peakBytes: growthAbove(rows, (row) => row.peakBytes),
  };
}

/** The exponent of what is above the smallest size, where there is enough of it at two sizes. */
function growthAbove(rows: readonly Row[], value: (row: Row) => number): number | undefined {
  const [first, ...others] = rows.filter(({ refusal }) => refusal === undefined);
  if (first === undefined) return undefined;
  const base = value(first);
  const points = others
    .map((row) => [row.size - first.size, value(row) - base] as const)
    .filter(([, more]) => more > base * SEEN);
  return growth(points);
}

function growthText({ milliseconds, processorMs, peakBytes }: Growth): string {
  const measures = [
    ["time", milliseconds],
    ["processor", processorMs],
    ["memory", peakBytes],
  ] as const;
  const said = measures.map(([name, exponent]) => {
    if (exponent === undefined) return `${name}: too little to fit`;
    return `${name}: ${exponent.toFixed(2)}${exponent > MAX_GROWTH ? " (more than linear)" : ""}`;
  });
  return `Growth, ${said.join("; ")}.`;
}

function mega(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

// SPDX-License-Identifier: Apache-2.0
import { type Kind, SLOW_MS, targetFor } from "./kinds.ts";
import { describeMachine, type Machine } from "./machine.ts";
import type { Measured } from "./measurement.ts";
import { markdownTable } from "./page.ts";
import { rangePlot } from "./plot.ts";
import { type Summary, summarize } from "./summary.ts";

/** What was measured, and on what. */
export interface Results {
  readonly kinds: readonly Kind[];
  /** By the number of images. */
  readonly tables: readonly {
    readonly images: number;
    /** By the kinds' names. */
    readonly measured: ReadonlyMap<string, Measured>;
  }[];
  readonly rounds: number;
  /** The Docker Engine's version. */
  readonly engine: string;
  readonly upstream: string;
  readonly machine: Machine;
}

/** What the builds of one kind came to, beside those of the others. */
interface Row {
  readonly kind: Kind;
  readonly milliseconds: Summary;
  readonly toUpstream: number;
  /** The medians of what was counted. */
  readonly requests?: number;
  readonly roundTrips?: number;
  readonly target?: { readonly text: string; readonly isMet: boolean; readonly maxMs: number };
}

/** The results as JSON: times in milliseconds, ratios of medians. */
export function jsonReport(results: Results): string {
  const { kinds: _, tables, ...rest } = results;
  const shown = tables.map(({ images, measured }) => ({
    images,
    kinds: Object.fromEntries(
      rowsOf(results, measured, images).map(({ kind, target, ...row }) => [
        kind.name,
        {
          ...row,
          ...(target && { target: target.text, isTargetMet: target.isMet }),
          samples: measured.get(kind.name)?.samples,
        },
      ]),
    ),
  }));
  return `${JSON.stringify({ ...rest, tables: shown }, undefined, 2)}\n`;
}

/** The results as tables, one for each number of images. */
export function textReport(results: Results): string {
  const tables = results.tables.map(({ images, measured }) =>
    textTable(cellsOf(results, { images, measured })),
  );
  return `${tables.join("\n\n")}\n\n${footOf(results)}\n`;
}

/** The results for a page of Markdown, with the plot under this address. */
export function markdownReport(results: Results, plot: string): string {
  const tables = results.tables.map((table) => markdownTable(cellsOf(results, table)));
  return [footOf(results), `![${TITLE}](${plot})`, ...tables].join("\n\n");
}

const TITLE = "Fully cached builds: median, quartiles, and target";

/** The medians and quartiles as SVG, with the targets. */
export function plotReport(results: Results): string {
  return rangePlot({
    title: TITLE,
    axis: "milliseconds",
    groups: results.tables.map(({ images, measured }) => ({
      label: counted(images, "image"),
      rows: rowsOf(results, measured, images).map(({ kind, milliseconds, target }) => ({
        label: kind.label,
        low: milliseconds.quartiles[0],
        middle: milliseconds.median,
        high: milliseconds.quartiles[1],
        ...(target && { target: target.maxMs }),
      })),
    })),
  });
}

function footOf({ rounds, engine, upstream, machine }: Results): string {
  const more = [
    `Docker Engine ${engine}`,
    `upstream frontend of ${upstream}`,
    `${counted(rounds, "round")} in alternation`,
  ];
  return describeMachine(machine, more);
}

function cellsOf(
  results: Results,
  { images, measured }: Results["tables"][number],
): readonly (readonly string[])[] {
  const rows = rowsOf(results, measured, images);
  const head = [
    `${counted(images, "image")}, ms`,
    "median",
    "quartiles",
    "min to max",
    "/ upstream",
    "target",
    "requests",
    "round trips",
  ];
  const body = rows.map(({ kind, milliseconds, toUpstream, requests, roundTrips, target }) => {
    const { median, quartiles, min, max } = milliseconds;
    const range = (from: number, to: number) => `${from.toFixed(0)} to ${to.toFixed(0)}`;
    return [
      kind.label,
      median.toFixed(0),
      range(...quartiles),
      range(min, max),
      toUpstream.toFixed(2),
      target === undefined ? "" : `${target.text}${target.isMet ? "" : ", missed"}`,
      requests === undefined ? "" : String(requests),
      roundTrips === undefined ? "" : String(roundTrips),
    ];
  });
  return [head, ...body];
}

function rowsOf(
  { kinds }: Pick<Results, "kinds">,
  measured: ReadonlyMap<string, Measured>,
  images: number,
): readonly Row[] {
  const summaries = new Map([...measured].map(([name, { samples }]) => [name, summarize(samples)] as const));
  const medianOf = (name: string) => summaries.get(name)?.median ?? NaN;
  return kinds.flatMap((kind) => {
    const milliseconds = summaries.get(kind.name);
    const traffic = measured.get(kind.name)?.traffic ?? [];
    if (milliseconds === undefined) return [];
    const target = targetFor(kind, images);
    return {
      kind,
      milliseconds,
      toUpstream: milliseconds.median / medianOf("upstream"),
      ...(traffic.length > 0 && {
        requests: summarize(traffic.map(({ requests }) => requests)).median,
        roundTrips: summarize(traffic.map(({ roundTrips }) => roundTrips)).median,
      }),
      ...(target && { target: reached(target, milliseconds.median, medianOf) }),
    };
  });
}

/** The target in words, and whether this median is within it. */
function reached(
  target: NonNullable<Kind["target"]>,
  median: number,
  medianOf: (name: string) => number,
): NonNullable<Row["target"]> {
  const [maxMs, text] =
    "toUpstream" in target
      ? [target.toUpstream * medianOf("upstream"), target.toUpstream.toFixed(2)]
      : [
          medianOf(target.above) + target.roundTrips * SLOW_MS,
          `${medianOf(target.above).toFixed(0)} + ${target.roundTrips * SLOW_MS} ms`,
        ];
  return { text, isMet: median <= maxMs, maxMs };
}

/** The first column to the left, the others to the right, two blanks between them. */
function textTable(rows: readonly (readonly string[])[]): string {
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

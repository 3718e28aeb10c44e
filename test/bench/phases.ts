// SPDX-License-Identifier: Apache-2.0
// What happens when in a build with us, by its own trace (TLOG_TRACE=1).
import type { Kind } from "./kinds.ts";
import { markdownTable } from "./page.ts";
import { summarize } from "./summary.ts";

/** From when to when something took place, in milliseconds since the frontend's process started. */
export interface Phase {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

const LINE = /^#\d+ \[tlog\] trace (\d+\.\d) to (\d+\.\d) ms \(\d+\.\d\): (.*)$/gm;
/** An image's name is another one in each benchmark. */
const IMAGE = /^\S+:\d+\/\S+(?= is judged$)/;

/** The phases that the plain progress of a build shows; a name that is there several times has a number. */
export function phasesIn(output: string): readonly Phase[] {
  const counts = new Map<string, number>();
  const lines = new Set([...output.matchAll(LINE)].map(([line]) => line.replace(/^#\d+ /, "")));
  return [...lines].map((line) => {
    const [, from, to, what = ""] = /trace (\S+) to (\S+) ms \S+ (.*)$/.exec(line) ?? [];
    const plain = what.replace(IMAGE, "the image");
    const count = (counts.get(plain) ?? 0) + 1;
    counts.set(plain, count);
    return { name: count === 1 ? plain : `${plain}, ${count}`, from: Number(from), to: Number(to) };
  });
}

/** The medians of the phases of several builds of one kind, as a table of Markdown. */
export function phaseTable({ label }: Kind, builds: readonly (readonly Phase[])[]): string {
  const [first = []] = builds;
  const rows = first.flatMap(({ name }) => {
    const all = builds.flatMap((phases) => phases.filter((phase) => phase.name === name));
    const [from, to] = [summarize(all.map((each) => each.from)), summarize(all.map((each) => each.to))];
    return [[name, from.median.toFixed(0), to.median.toFixed(0), (to.median - from.median).toFixed(0)]];
  });
  return markdownTable([[`${label}, ms`, "from", "to", "took"], ...rows]);
}

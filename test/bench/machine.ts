// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";

/** What was measured on, and of which tree. */
export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  /** The load average over a minute, before and after; what was measured is one of it. */
  readonly load: readonly [number, number];
  /** The day, UTC. */
  readonly date: string;
  /** The commit; with "and changes" when the tree is not the commit's. */
  readonly commit: string;
}

/** The machine's load average over a minute. */
export function currentLoad(): number {
  return loadavg()[0] ?? 0;
}

/** Describes this machine and this tree; `loadBefore` is what `currentLoad` gave before. */
export function thisMachine(loadBefore: number): Machine {
  const [first, ...others] = cpus();
  return {
    cores: others.length + 1,
    processor: first?.model ?? "unknown",
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.versions.node,
    load: [loadBefore, currentLoad()],
    date: new Date().toISOString().slice(0, 10),
    commit: commit(),
  };
}

/** A paragraph about it. `more` is what else the figures hang on. */
export function describeMachine(machine: Machine, more: readonly string[]): string {
  const { cores, processor, memoryBytes, kernel, node, load, date, commit: tree } = machine;
  const parts = [
    `${cores} ${cores === 1 ? "core" : "cores"} (${processor})`,
    `${(memoryBytes / 2 ** 30).toFixed(0)} GiB of memory`,
    `Linux ${kernel}`,
    `Node.js ${node}`,
    ...more,
    `load average ${load[0].toFixed(1)} before and ${load[1].toFixed(1)} after`,
  ];
  return `Measured on ${date}, commit ${tree}: ${parts.join(", ")}.`;
}

function commit(): string {
  const git = (...args: readonly string[]) =>
    execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    // The results are written below docs/.
    const changes = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs");
    return `${git("rev-parse", "--short=12", "HEAD")}${changes === "" ? "" : " and changes"}`;
  } catch {
    // An archive of the tree has no history.
    return "unknown";
  }
}

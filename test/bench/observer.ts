// SPDX-License-Identifier: Apache-2.0
// What an observer costs, as a Markdown table: `npm run bench:observer`, or `npm run bench:observer -- 100 1000` for so many tags. The
// registry is in memory and the log is the development Sigstore, both in this process; each run is the program that ships, in a
// process of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { RunSummary } from "../../src/observer/event.ts";
import { type Observing, startObserving } from "../observer/observing.ts";

/** What a run costs. */
interface Cost {
  readonly summary: RunSummary;
  /** To registries, with those for the ledger. */
  readonly requests: number;
  /** Of the bodies, sent and received. */
  readonly bytes: number;
  readonly peakBytes: number;
  readonly seconds: number;
}

const TAGS = [100, 1_000, 10_000];
const MOVED = 0.01;
const PROGRAM = new URL("../../dist/frontend.cjs", import.meta.url).pathname;
const LOOK_MS = 50;

async function runOnce(at: Observing): Promise<Cost> {
  const path = join(at.directory, "tlog-observer.yaml");
  writeFileSync(path, at.configurationText());
  const { registry } = at;
  const before = { requests: registry.requests.length, bytes: registry.bytes };
  const begun = performance.now();
  const args = ["observe", "--once", "--json", "--quiet", "--config", path];
  const run = spawn(process.execPath, [PROGRAM, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let peakBytes = 0;
  // The kernel forgets it with the process.
  const looking = setInterval(() => (peakBytes = Math.max(peakBytes, peakOf(run.pid))), LOOK_MS);
  const [lines] = await Promise.all([text(run.stdout), once(run, "exit")]);
  clearInterval(looking);
  const summary = JSON.parse(lines.trim().split("\n").at(-1) ?? "") as RunSummary;
  return {
    summary,
    requests: registry.requests.length - before.requests,
    bytes: registry.bytes - before.bytes,
    peakBytes,
    seconds: (performance.now() - begun) / 1_000,
  };
}

/** The most memory that a process has had, in bytes; 0 when it is gone. */
function peakOf(pid = 0): number {
  try {
    const [, peak = "0"] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(peak) * 1024;
  } catch {
    return 0;
  }
}

async function rowsOf(tags: number): Promise<readonly string[]> {
  const at = await startObserving();
  const put = (n: number, content: string) => at.registry.image("team/app", `1.${n}`, content);
  try {
    for (let n = 0; n < tags; n++) put(n, `image ${n}`);
    const rows: string[] = [];
    for (const run of ["first", "unchanged", "1 % moved"]) {
      if (run === "1 % moved") for (let n = 0; n < tags * MOVED; n++) put(n / MOVED, `moved ${n}`);
      const { summary, requests, bytes, seconds, peakBytes } = await runOnce(at);
      const wrong = { first: summary.firstSeen !== tags, unchanged: summary.unchanged !== tags }[run];
      if (wrong ?? summary.moved !== tags * MOVED)
        throw new Error(`the run "${run}" of ${tags} tags saw something else: ${JSON.stringify(summary)}`);
      const cells = [tags, run, requests, inMegabytes(bytes), seconds.toFixed(1), inMegabytes(peakBytes)];
      rows.push(`| ${cells.join(" | ")} |`);
    }
    return rows;
  } finally {
    await at.close();
  }
}

function inMegabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

const given = process.argv.slice(2).map(Number);
console.log("| tags | run | requests | MB sent and received | seconds | peak memory, MB |");
console.log("|---|---|---|---|---|---|");
for (const tags of given.length > 0 ? given : TAGS) for (const row of await rowsOf(tags)) console.log(row);

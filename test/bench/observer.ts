// SPDX-License-Identifier: Apache-2.0
// What an observer costs, as a Markdown table: `npm run bench:observer`, or `npm run bench:observer -- 100 1000` for so many tags. The
// registry is in memory and the log is the development Sigstore, both in this process; each run is a process of its own.
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Observing, startObserving } from "../observer/observing.ts";

/** What a run costs. */
interface Cost {
  readonly summary: { readonly firstSeen: number; readonly unchanged: number; readonly moved: number };
  /** To registries, with those for the ledger. */
  readonly requests: number;
  /** Of the bodies, sent and received. */
  readonly bytes: number;
  readonly peakBytes: number;
}

const TAGS = [100, 1_000, 10_000];
const MOVED = 0.01;
const PROCESS = new URL("../observer/observing-process.ts", import.meta.url).pathname;
const SHIPPED = new URL("../../dist", import.meta.url).pathname;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

async function runOnce(at: Observing): Promise<Cost & { readonly seconds: number }> {
  const path = join(at.directory, "tlog-observer.yaml");
  writeFileSync(path, at.configurationText());
  const begun = performance.now();
  const { stdout } = await promisify(execFile)(process.execPath, [PROCESS, path, SHIPPED], {
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  return { ...(JSON.parse(stdout) as Cost), seconds: (performance.now() - begun) / 1_000 };
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

// SPDX-License-Identifier: Apache-2.0
// Runs an observer once in a process of its own, which a test can kill: `node observing-process.ts CONFIGURATION SHIPPED`.
import { readFileSync } from "node:fs";
import { readConfiguration } from "../../src/observer/configuration.ts";
import { eventJson } from "../../src/observer/event.ts";
import { observer } from "../../src/observer/observe.ts";

const [path = "", shipped = ""] = process.argv.slice(2);
const ending = new AbortController();
process.on("SIGINT", () => ending.abort());
const counted = { requests: 0, bytes: 0 };
const run = observer({
  shipped,
  environment: {},
  onRequest({ sent, received }) {
    counted.requests += 1;
    counted.bytes += sent + received;
  },
});
const summary = await run(readConfiguration(readFileSync(path, "utf8"), { path, name: path }), {
  signal: ending.signal,
  now: () => new Date(),
  onEvent: (event) => process.stderr.write(`${eventJson(event)}\n`),
  onProgress: () => undefined,
  dryRun: false,
});
const [, peak = "0"] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
process.stdout.write(`${JSON.stringify({ summary, ...counted, peakBytes: Number(peak) * 1024 })}\n`);
process.exit(0);

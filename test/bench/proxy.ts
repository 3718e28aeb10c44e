// SPDX-License-Identifier: Apache-2.0
// What a warm proxy does, as a Markdown table: `npm run bench:proxy`, or `npm run bench:proxy -- 100000` for so many requests. The
// registry is in memory and the log is the development Sigstore, both in this process, which asks too; the proxy is the program that
// ships, in a process of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { Agent, type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { startObserving } from "../observer/observing.ts";

const REQUESTS = Number(process.argv[2] ?? 20_000);
const CONNECTIONS = 32;
const TAGS = 100;
const PROGRAM = new URL("../../dist/main.js", import.meta.url).pathname;

const at = await startObserving();
const policy = join(at.directory, "policy.yaml");
writeFileSync(
  policy,
  `version: 1
logs: [{ url: "${at.sigstore.url}", api: 1 }]
registries: [{ host: "${at.registry.host}", plain-http: true }]
rules: [{ match: "${at.registry.host}/**", private: true }]
`,
);
const paths = Array.from({ length: TAGS }, (_, index) => {
  at.registry.image("team/app", `1.4.${index}`, String(index));
  return `/v2/${at.registry.host}/team/app/manifests/1.4.${index}`;
});
const options = ["--config", join(at.directory, "sigstore"), "--policy", policy];
const key = join(at.directory, "observer.pem");
const proxy = spawn(
  process.execPath,
  [PROGRAM, "serve", "--listen", "127.0.0.1:0", ...options, "--key", key],
  { env: {}, stdio: ["ignore", "pipe", "inherit"] },
);
const lines = createInterface(proxy.stdout);
const [first] = (await once(lines, "line")) as [string];
const port = Number(/:(\d+)"/.exec(first)?.[1]);
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

/** Pulls; gives how long it took in milliseconds. */
async function pull(path = ""): Promise<number> {
  const begun = performance.now();
  const outgoing = request({ host: "127.0.0.1", port, path, agent });
  outgoing.end();
  const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  incoming.resume();
  await once(incoming, "end");
  if (incoming.statusCode !== 200) throw new Error(`${path}: status ${incoming.statusCode}`);
  return performance.now() - begun;
}

for (const path of paths) await pull(path);
const took: number[] = [];
const begun = performance.now();
let next = 0;
await Promise.all(
  Array.from({ length: CONNECTIONS }, async () => {
    for (let index = next++; index < REQUESTS; index = next++) took.push(await pull(paths[index % TAGS]));
  }),
);
const seconds = (performance.now() - begun) / 1_000;
const [, peak = "0"] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${proxy.pid}/status`, "utf8")) ?? [];
took.sort((one, other) => one - other);
const at99 = took[Math.floor(took.length * 0.99)] ?? 0;
process.stdout.write(
  `| manifests by tag, warm | requests a second | p50 ms | p99 ms | peak MiB |\n|---|---|---|---|---|\n| ${REQUESTS} | ${Math.round(REQUESTS / seconds)} | ${(took[Math.floor(took.length / 2)] ?? 0).toFixed(1)} | ${at99.toFixed(1)} | ${Math.round(Number(peak) / 1024)} |\n`,
);
agent.destroy();
const ended = once(proxy, "exit");
proxy.kill("SIGTERM");
await ended;
await at.close();

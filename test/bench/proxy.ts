// SPDX-License-Identifier: Apache-2.0
// What a warm proxy does beside Debian's docker-registry as a pull-through cache, as a Markdown table: `npm run bench:proxy`, or
// `npm run bench:proxy -- 100000` for so many requests to ours (the other gets 5,000 at most). Both are programs of their own before one registry, Debian's too, and
// are asked in turns. The log is the development Sigstore in this process, which asks as well.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chroot } from "../e2e/lab/chroot.ts";
import { pushImage } from "../e2e/lab/images.ts";
import { startRegistry } from "../e2e/lab/registry.ts";
import { newRun, removeRun } from "../e2e/lab/runs.ts";
import { newSigningKey } from "../sigstore/signed-statement.ts";
import { startSigstore } from "../sigstore/sigstore.ts";

const REQUESTS = Number(process.argv[2] ?? 20_000);
const CONNECTIONS = 32;
const TAGS = 100;
const TURNS = 10;
const HOST = "127.0.0.1";
const PROGRAM = new URL("../../dist/main.js", import.meta.url).pathname;
/** It asks its own registry about each tag each time, and 100,000 requests would take it half an hour. */
const MOST_OF_CACHE = 5_000;
const ACCEPT = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";

const directory = mkdtempSync(join(tmpdir(), "bench-proxy-"));
const system = await chroot();
const run = await newRun(system.labDir);
const upstream = await startRegistry(system, run, HOST);
const cache = await startRegistry(system, run, HOST, { cacheOf: `http://${upstream.address}` });
const sigstore = await startSigstore({ out: join(directory, "sigstore") });
writeFileSync(join(directory, "key.pem"), newSigningKey().export({ type: "pkcs8", format: "pem" }));
writeFileSync(
  join(directory, "policy.yaml"),
  `version: 1
logs: [{ url: "${sigstore.url}", api: 1 }]
registries: [{ host: "${upstream.address}", plain-http: true }]
rules: [{ match: "${upstream.address}/**", private: true }]
`,
);
const proxy = spawn(
  process.execPath,
  [
    PROGRAM,
    "serve",
    "--listen",
    `${HOST}:0`,
    "--policy",
    "policy.yaml",
    "--config",
    "sigstore",
    "--key",
    "key.pem",
  ],
  { cwd: directory, env: {}, stdio: ["ignore", "pipe", "inherit"] },
);
const lines = createInterface(proxy.stdout);
const [listening] = (await once(lines, "line")) as [string];

interface Server {
  readonly name: string;
  readonly requests: number;
  readonly port: number;
  readonly pid: number | undefined;
  /** Before the name of an image. */
  readonly prefix: string;
  readonly agent: Agent;
  /** Milliseconds. */
  readonly took: number[];
  seconds: number;
}

function serverOf(server: Pick<Server, "name" | "requests" | "port" | "pid" | "prefix">): Server {
  return { ...server, took: [], seconds: 0, agent: new Agent({ keepAlive: true, maxSockets: CONNECTIONS }) };
}

const servers = [
  serverOf({
    name: "docker-registry, pull-through cache",
    requests: Math.min(REQUESTS, MOST_OF_CACHE),
    port: cache.port,
    pid: cache.pid(),
    prefix: "",
  }),
  serverOf({
    name: "tlog-dockerfile serve",
    requests: REQUESTS,
    port: Number(/:(\d+)"/.exec(listening)?.[1]),
    pid: proxy.pid,
    prefix: `${upstream.address}/`,
  }),
];

/** Pulls; gives how long it took in milliseconds. */
async function pull({ port, prefix, agent }: Server, tag: number): Promise<number> {
  const path = `/v2/${prefix}team/app/manifests/1.4.${tag}`;
  const begun = performance.now();
  const outgoing = request({ host: HOST, port, path, agent, headers: { accept: ACCEPT } });
  outgoing.end();
  const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  incoming.resume();
  await once(incoming, "end");
  if (incoming.statusCode !== 200) throw new Error(`${path}: status ${incoming.statusCode}`);
  return performance.now() - begun;
}

async function turn(server: Server, requests: number): Promise<void> {
  const begun = performance.now();
  let next = 0;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      for (let index = next++; index < requests; index = next++)
        server.took.push(await pull(server, index % TAGS));
    }),
  );
  server.seconds += (performance.now() - begun) / 1_000;
}

function row({ name, took, seconds, pid }: Server): string {
  const [, peak = "0"] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  const sorted = took.toSorted((one, other) => one - other);
  const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(1);
  const cells = [
    name,
    took.length,
    Math.round(took.length / seconds),
    at(0.5),
    at(0.99),
    Math.round(Number(peak) / 1024),
  ];
  return `| ${cells.join(" | ")} |`;
}

try {
  for (let tag = 0; tag < TAGS; tag += 1)
    await pushImage(upstream, `team/app:1.4.${tag}`, { files: { number: `${tag}\n` } });
  for (const server of servers) for (let tag = 0; tag < TAGS; tag += 1) await pull(server, tag);
  for (let index = 0; index < TURNS; index += 1)
    for (const server of index % 2 === 0 ? servers : servers.toReversed())
      await turn(server, server.requests / TURNS);
  process.stdout.write(
    `| manifests by tag, warm | requests | a second | p50 ms | p99 ms | peak MiB |\n|---|---|---|---|---|---|\n${servers.map(row).join("\n")}\n`,
  );
} finally {
  for (const { agent } of servers) agent.destroy();
  const ended = once(proxy, "exit");
  proxy.kill("SIGTERM");
  await ended;
  for (const part of [cache, upstream]) await part.stop();
  await sigstore.close();
  await removeRun(run);
  rmSync(directory, { recursive: true, force: true });
}

// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { atExit } from "./at-exit.ts";
import type { Chroot } from "./chroot.ts";
import { httpRequest } from "./http-request.ts";
import { LabError, tail } from "./lab-error.ts";
import { freePort } from "./ports.ts";
import type { RunDirectory } from "./runs.ts";

/** Debian's docker-registry, plain HTTP, deletion enabled, empty at the start of a lab. */
export interface Registry {
  readonly hostname: string;
  readonly port: number;
  /** `hostname:port`, as image references begin. */
  readonly address: string;
  readonly logFile: string;
  /** Its process; undefined while it is stopped. */
  pid(): number | undefined;
  /** What was asked so far, oldest first: `HEAD /v2/base/manifests/1.0`; without the checks whether it is up and without queries. */
  requests(): readonly string[];
  /** Connections are refused from then on; what was pushed is kept. */
  stop(): Promise<void>;
  /** Starts it again at the same address. */
  start(): Promise<void>;
}

const READY_WITHIN_MS = 30_000;
const USUAL_PORT = 5000;
/** `198.18.1.2 - - [time] "HEAD /v2/base/manifests/1.0 HTTP/1.1" 200 …` */
const ACCESS_LINE = /^\S+ \S+ \S+ \[[^\]]*\] "([A-Z]+ [^\s?]+)\S* HTTP\/[0-9.]+"/;

/**
 * Starts a registry on this address and waits until it answers; a pull-through cache of another one when `cacheOf` has that one's
 * URL. Throws LabError NOT_STARTED.
 */
export async function startRegistry(
  chroot: Chroot,
  run: RunDirectory,
  hostname: string,
  { cacheOf }: { readonly cacheOf?: string } = {},
): Promise<Registry> {
  const port = (await freePort(hostname, USUAL_PORT)) ?? (await freePort(hostname));
  if (port === undefined) throw new LabError("NOT_STARTED", `the registry cannot listen on "${hostname}"`);
  const kind = cacheOf === undefined ? "registry" : "cache";
  const logFile = join(chroot.labDir, "logs", `${run.id}-${kind}.log`);
  const config = join(run.data, `${kind}.json`);
  await mkdir(join(run.data, kind), { recursive: true });
  await writeFile(
    config,
    // YAML, of which JSON is a part.
    JSON.stringify({
      version: 0.1,
      log: { level: "warn", accesslog: { disabled: false } },
      storage: { filesystem: { rootdirectory: join(run.data, kind) }, delete: { enabled: true } },
      http: { addr: `${hostname}:${port}`, secret: run.id },
      ...(cacheOf !== undefined && { proxy: { remoteurl: cacheOf } }),
    }),
  );

  let child: ChildProcess | undefined;
  let forget: (() => void) | undefined;
  const stop = async () => {
    if (child === undefined) return;
    const ended = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
    child.kill("SIGKILL");
    await ended;
    child = undefined;
    forget?.();
  };
  const start = async () => {
    if (child !== undefined) return;
    const log = openSync(logFile, "a");
    const started = spawn(
      "setpriv",
      ["--pdeathsig", "KILL", "--", chroot.tool("docker-registry"), "serve", config],
      {
        stdio: ["ignore", log, log],
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
        detached: true,
      },
    );
    closeSync(log);
    child = started;
    forget = atExit(() => started.kill("SIGKILL"));
    const exited = once(started, "exit").then(
      ([code]) => `it ended with exit code ${code}`,
      (cause: unknown) => `it cannot be run: ${String(cause)}`,
    );
    const failed = await Promise.race([exited, ready(hostname, port)]);
    if (failed === undefined) return;
    await stop();
    throw new LabError(
      "NOT_STARTED",
      `the registry at ${hostname}:${port} did not start: ${failed}; ${tail(logFile)}`,
    );
  };

  await start();
  return {
    hostname,
    port,
    address: `${hostname}:${port}`,
    logFile,
    pid: () => child?.pid,
    requests: () => requestsIn(readFileSync(logFile, "utf8")),
    stop,
    start,
  };
}

function requestsIn(log: string): readonly string[] {
  return log.split("\n").flatMap((line) => {
    const asked = ACCESS_LINE.exec(line)?.[1];
    return asked === undefined || asked === "GET /v2/" ? [] : [asked];
  });
}

async function ready(hostname: string, port: number): Promise<string | undefined> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (performance.now() < deadline) {
    try {
      const { status } = await httpRequest({ hostname, port, path: "/v2/", timeoutMs: 5_000 });
      if (status === 200) return undefined;
    } catch {
      // It does not listen yet.
    }
    await sleep(25);
  }
  return `it did not answer within ${READY_WITHIN_MS} ms`;
}

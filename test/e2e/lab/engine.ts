// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { atExit } from "./at-exit.ts";
import type { Chroot } from "./chroot.ts";
import { httpRequest } from "./http-request.ts";
import { LabError, tail } from "./lab-error.ts";
import { type RunDirectory, cgroupName, killFirstProcess, waitForEnd } from "./runs.ts";

/** A Docker Engine that answers. */
export interface Engine {
  /** For DOCKER_HOST: `unix://` and the socket's path. */
  readonly dockerHost: string;
  /** The machine's address as this engine and the containers of its builds reach it. */
  readonly hostAddress: string;
  /** The daemon's log, where the standard error of frontends ends too; undefined when the engine was found. */
  readonly logFile: string | undefined;
  stop(): Promise<void>;
}

/** Where an engine keeps images: in containerd, or in the older graph drivers, which forget digests. */
export type ImageStore = "containerd" | "legacy";

const READY_WITHIN_MS = 60_000;

/** What an engine is to be like. */
export interface EngineOptions {
  readonly name: string;
  readonly store: ImageStore;
  /** More of its configuration, `daemon.json`. */
  readonly configuration?: Readonly<Record<string, unknown>>;
  /** Files that it finds in its `/etc` instead of the chroot's, by their path there. */
  readonly etc?: Readonly<Record<string, string>>;
}

/** Starts an engine of our own from the chroot and waits until it answers. Throws LabError NOT_STARTED. */
export async function startEngine(
  chroot: Chroot,
  run: RunDirectory,
  { name, store, configuration = {}, etc = {} }: EngineOptions,
): Promise<Engine> {
  const data = join(run.data, name);
  const scratch = join(run.scratch, name);
  const logFile = join(chroot.labDir, "logs", `${run.id}-${name}.log`);
  await mkdir(join(data, "docker"), { recursive: true });
  await mkdir(scratch, { recursive: true });
  await mkdir(join(chroot.labDir, "logs"), { recursive: true });
  await writeFile(
    join(scratch, "daemon.json"),
    JSON.stringify({ features: { "containerd-snapshotter": store === "containerd" }, ...configuration }),
  );
  for (const [path, text] of Object.entries(etc)) {
    const file = join(scratch, "etc", path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }

  const log = openSync(logFile, "a");
  const child = spawn(
    "setpriv",
    // Whatever ends this process ends the engine, and the end of the engine's first process ends all its others.
    [
      "--pdeathsig",
      "KILL",
      "--",
      "unshare",
      "--mount",
      "--pid",
      "--fork",
      "--kill-child",
      "--propagation",
      "private",
      "--",
      "sh",
      join(import.meta.dirname, "engine-start.sh"),
      chroot.root,
      data,
      scratch,
      `/${cgroupName(run.id)}`,
    ],
    { stdio: ["ignore", log, log], env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }, detached: true },
  );
  closeSync(log);
  const exited = once(child, "exit").then(
    ([code, signal]) => `it ended with ${signal === null ? `exit code ${code}` : signal}`,
    (cause: unknown) => `"setpriv" and "unshare" cannot be run: ${String(cause)}`,
  );
  const kill = () => {
    const first = killFirstProcess(join(data, "pid"), cgroupName(run.id));
    // Before the engine's first process has written its number, the one that starts it is all there is.
    child.kill("SIGKILL");
    return first;
  };
  const forget = atExit(() => waitForEnd(kill()));

  const failed = await Promise.race([exited, ready(join(scratch, "docker.sock"))]);
  if (failed !== undefined) {
    kill();
    await exited;
    forget();
    throw new LabError(
      "NOT_STARTED",
      `the Docker Engine "${name}" did not start: ${failed}; ${tail(logFile)}`,
    );
  }
  return {
    dockerHost: `unix://${join(scratch, "docker.sock")}`,
    hostAddress: readFileSync(join(data, "address"), "utf8").trim(),
    logFile,
    async stop() {
      killFirstProcess(join(data, "pid"), cgroupName(run.id));
      // The starter ends when the last process of the engine's namespaces has.
      await Promise.race([exited, sleep(10_000, undefined, { ref: false })]);
      kill();
      forget();
    },
  };
}

/** Resolves with undefined when the engine answers, with what is wrong when it does not in time. */
async function ready(socketPath: string): Promise<string | undefined> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (performance.now() < deadline) {
    try {
      const { status } = await httpRequest({ socketPath, path: "/_ping", timeoutMs: 5_000 });
      if (status === 200) return undefined;
    } catch {
      // It does not listen yet.
    }
    await sleep(50);
  }
  return `it did not answer within ${READY_WITHIN_MS} ms`;
}

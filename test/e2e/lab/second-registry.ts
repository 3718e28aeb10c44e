// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { atExit } from "./at-exit.ts";
import { labDirectory, lockLab, markLab } from "./chroot.ts";
import { mustRun } from "./command.ts";
import { findGo, goModule } from "./go.ts";
import { httpRequest } from "./http-request.ts";
import { LabError } from "./lab-error.ts";
import { freePort } from "./ports.ts";
import { say } from "./progress.ts";

/** Another implementation of the distribution API than Debian's: that of go-containerregistry, which its program `crane` serves. */
const MODULE = "github.com/google/go-containerregistry";
const VERSION = "v0.21.3";
/** What go.sum has of it. */
const SUM = "h1:Xr+yt3VvwOOn/5nJzd7UoOhwPGiPkYW0zWDLLUXqAi4=";
const GO = "1.25.7";
const BUILD_TIMEOUT_MS = 15 * 60_000;
const READY_WITHIN_MS = 30_000;

/** A registry in memory, plain http. */
export interface SecondRegistry {
  /** `hostname:port`, as image references begin. */
  readonly address: string;
  stop(): Promise<void>;
}

/** Starts one on this address; compiles it the first time, which takes a minute or two. Throws LabError. */
export async function startSecondRegistry(
  hostname: string,
  labDir = labDirectory(),
): Promise<SecondRegistry> {
  const program = await secondRegistryProgram(labDir);
  const port = await freePort(hostname);
  if (port === undefined)
    throw new LabError("NOT_STARTED", `the second registry cannot listen on "${hostname}"`);
  const process: ChildProcess = spawn(program, ["registry", "serve", "--address", `${hostname}:${port}`], {
    stdio: "ignore",
    env: {},
  });
  const forget = atExit(() => process.kill("SIGKILL"));
  const stop = async () => {
    forget();
    if (process.exitCode !== null || process.signalCode !== null) return;
    const ended = once(process, "exit");
    process.kill("SIGKILL");
    await ended;
  };
  for (const end = performance.now() + READY_WITHIN_MS; ; await sleep(50)) {
    const answer = await httpRequest({ hostname, port, path: "/v2/", timeoutMs: 1_000 }).catch(
      () => undefined,
    );
    if (answer?.status === 200) return { address: `${hostname}:${port}`, stop };
    if (performance.now() < end && process.exitCode === null) continue;
    await stop();
    throw new LabError("NOT_STARTED", "the second registry does not answer");
  }
}

/** The path of its program, which is the client `crane` too; compiled the first time. Throws LabError. */
export async function secondRegistryProgram(labDir = labDirectory()): Promise<string> {
  const directory = join(labDir, "second-registry");
  const program = join(directory, `crane-${VERSION}`);
  if (existsSync(program)) return program;
  await markLab(labDir);
  const unlock = await lockLab(labDir);
  try {
    if (existsSync(program)) return program;
    say(`compiling go-containerregistry's registry ${VERSION}, once, a minute or two …`);
    const go = await findGo(GO, labDir);
    const { directory: cwd, sum } = await goModule(go, MODULE, VERSION);
    if (sum !== SUM)
      throw new LabError(
        "NOT_MADE",
        `the Go module ${MODULE}@${VERSION} is not the one that we know: got "${sum}", want "${SUM}"`,
      );
    await mkdir(directory, { recursive: true });
    const half = `${program}.${process.pid}`;
    try {
      const args = ["build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-o", half, "./cmd/crane"];
      await mustRun(go.command, args, { cwd, env: go.env, timeoutMs: BUILD_TIMEOUT_MS });
      await rename(half, program);
    } finally {
      await rm(half, { force: true });
    }
  } finally {
    unlock();
  }
  return program;
}

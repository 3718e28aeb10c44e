// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dockerClient, writeFiles } from "../lab/builds.ts";
import { chroot } from "../lab/chroot.ts";
import type { Lab } from "../lab/lab.ts";

/** A build that goes on while the test does something else. */
export interface RunningBuild {
  /** What a terminal does at Ctrl-C: SIGINT to the client and its plugins. */
  interrupt(): void;
  /** Resolves when the client has ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
}

/** Starts `docker buildx build` with these arguments and secrets over a context that has this Dockerfile. */
export async function startBuild(
  lab: Lab,
  {
    dockerfile,
    args,
    secrets,
  }: {
    readonly dockerfile: string;
    readonly args: readonly string[];
    readonly secrets: Readonly<Record<string, string>>;
  },
): Promise<RunningBuild> {
  const scratch = await mkdtemp(join(tmpdir(), "interrupted-build-"));
  const { docker, env } = await dockerClient(await chroot(), scratch);
  const context = await mkdtemp(join(scratch, "context-"));
  await writeFile(join(context, "Dockerfile"), dockerfile);
  await writeFiles(join(scratch, "secrets"), secrets);
  const secretArgs = Object.keys(secrets).map(
    (id) => `--secret=id=${id},src=${join(scratch, "secrets", id)}`,
  );
  const child = spawn(docker, ["buildx", "build", "--progress=plain", ...secretArgs, ...args, context], {
    env: { ...env, DOCKER_HOST: lab.engine.dockerHost },
    stdio: ["ignore", "pipe", "pipe"],
    // A process group of its own, which a terminal would signal as a whole.
    detached: true,
  });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (bytes: Buffer) => chunks.push(bytes));
  child.stderr.on("data", (bytes: Buffer) => chunks.push(bytes));
  const ended = once(child, "close").then(async ([code]) => {
    await rm(scratch, { recursive: true });
    return { code: code as number | null, output: Buffer.concat(chunks).toString() };
  });
  return {
    interrupt: () => void (child.pid === undefined || process.kill(-child.pid, "SIGINT")),
    ended,
  };
}

/** The command lines of all processes on this machine, those in containers too, with this text in their environment. */
export async function processesWith(mark: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    try {
      const environment = await readFile(`/proc/${pid}/environ`, "utf8");
      if (environment.includes(mark)) found.push(await readFile(`/proc/${pid}/cmdline`, "utf8"));
    } catch {
      // It has ended in the meantime.
    }
  }
  return found.map((line) => line.replaceAll("\0", " ").trim());
}

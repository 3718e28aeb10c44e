// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { appendFile, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../e2e/lab/command.ts";
import { lastLines } from "../e2e/lab/lab-error.ts";
import { ServerError } from "./server-error.ts";
import { say } from "./servers-directory.ts";

/** Programs of one Go module at one version. */
export interface GoModule {
  /** A short name for directories and messages. */
  readonly name: string;
  readonly path: string;
  readonly version: string;
  /** The programs' packages, below the module's path; empty for the module's own. */
  readonly packages: readonly string[];
  readonly tags?: string;
}

const COMPILE_MS = 40 * 60_000;
const DOWNLOAD_MS = 5 * 60_000;
const PROGRESS_MS = 15_000;

/**
 * The directory that holds the programs of this module, compiled on the first call, which takes minutes and is told
 * on standard error. Throws ServerError NOT_POSSIBLE without Go, NOT_INSTALLED when it cannot be compiled.
 */
export async function goPrograms(directory: string, module: GoModule): Promise<string> {
  const installed = join(directory, "go", `${module.name}-${module.version}`);
  if (existsSync(installed)) return installed;
  await checkGo(module);
  const log = join(directory, "logs", `install-${module.name}.log`);
  await mkdir(join(directory, "logs"), { recursive: true });
  await mkdir(join(directory, "go"), { recursive: true });
  const unfinished = await mkdtemp(`${installed}.`);
  try {
    await compile(module, unfinished, log);
    await keep(unfinished, installed);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return installed;
}

/** The directory of the module's source in Go's module cache. Throws ServerError. */
export async function goSource(module: GoModule): Promise<string> {
  await checkGo(module);
  const args = ["mod", "download", "-json", `${module.path}@${module.version}`];
  // Outside of any module, so that no go.mod near us has a say in it.
  const outcome = await run("go", args, { cwd: "/", timeoutMs: DOWNLOAD_MS });
  const found: unknown = outcome.code === 0 ? JSON.parse(outcome.stdout) : undefined;
  if (typeof found === "object" && found !== null && "Dir" in found && typeof found.Dir === "string") {
    return found.Dir;
  }
  const why = lastLines(outcome.output);
  throw new ServerError("NOT_INSTALLED", `cannot download ${module.path} ${module.version}:\n${why}`);
}

async function checkGo(module: GoModule): Promise<void> {
  const there = await run("sh", ["-c", "command -v go"], { timeoutMs: 10_000 });
  if (there.code === 0) return;
  throw new ServerError(
    "NOT_POSSIBLE",
    `cannot install ${module.name} ${module.version}: it is written in Go and there is no "go" on PATH; install Go 1.26 or newer`,
  );
}

async function compile(module: GoModule, bin: string, log: string): Promise<void> {
  const { name, version, path, packages, tags } = module;
  say(`compiling ${name} ${version}, which takes minutes the first time (log: ${log})`);
  const start = performance.now();
  const elapsed = () => `${Math.round((performance.now() - start) / 1000)} s`;
  let last = start;
  let lines = 0;
  const outcome = await run(
    "nice",
    [
      "-n",
      "19",
      "go",
      "install",
      "-v",
      "-trimpath",
      ...(tags === undefined ? [] : ["-tags", tags]),
      ...packages.map((inner) => `${inner === "" ? path : `${path}/${inner}`}@${version}`),
    ],
    {
      cwd: "/",
      env: { ...environment(), GOBIN: bin, CGO_ENABLED: "0" },
      timeoutMs: COMPILE_MS,
      onLine(line) {
        lines += 1;
        if (performance.now() - last < PROGRESS_MS) return;
        last = performance.now();
        say(`  ${name}: ${elapsed()}, ${lines} packages downloaded or compiled, now ${line.slice(0, 80)}`);
      },
    },
  );
  await writeFile(log, outcome.output);
  if (outcome.code !== 0) {
    throw new ServerError(
      "NOT_INSTALLED",
      `cannot compile ${name} ${version}; the log "${log}" ends with:\n${lastLines(outcome.output)}`,
    );
  }
  await appendFile(log, `done in ${elapsed()}\n`);
  say(`compiled ${name} ${version} in ${elapsed()}`);
}

/** Gives a finished directory its name; when another run was quicker, that one's stays. */
export async function keep(unfinished: string, finished: string): Promise<void> {
  try {
    await rename(unfinished, finished);
  } catch (error) {
    if (!existsSync(finished)) throw error;
  }
}

function environment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { removeTree } from "./tree.ts";

/** The directories of one running lab. */
export interface RunDirectory {
  readonly id: string;
  /** On the lab's disk: engines' data, the registry's storage. */
  readonly data: string;
  /** A short path (a socket's path holds 107 bytes): sockets, Docker's configuration, build contexts. */
  readonly scratch: string;
}

/** What a run writes down about itself and its engines, for a later run that finds its leftovers. */
interface Owner {
  readonly process: ProcessId;
  readonly scratch: string;
}

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessId {
  readonly pid: number;
  /** Clock ticks after boot, as /proc/PID/stat tells it. */
  readonly startTime: string;
}

const LOGS_KEPT_MS = 24 * 3600_000;

/** The cgroup under which an engine of a run puts its containers. */
export function cgroupName(runId: string): string {
  return `tlog-lab-${runId}`;
}

/** Makes the directories of a new run. */
export async function newRun(labDir: string): Promise<RunDirectory> {
  const id = randomBytes(4).toString("hex");
  const data = join(labDir, "runs", id);
  const scratch = await mkdtemp("/tmp/tlog-lab-");
  const self = processId(process.pid);
  const owner: Owner = { process: self ?? { pid: process.pid, startTime: "" }, scratch };
  await mkdir(data, { recursive: true });
  await writeFile(join(data, "owner.json"), JSON.stringify(owner));
  return { id, data, scratch };
}

/** Removes what a run left on disk and in the cgroup tree, after its engines have ended. */
export async function removeRun(run: RunDirectory): Promise<void> {
  removeCgroups(cgroupName(run.id));
  await removeTree(run.scratch);
  await removeTree(run.data);
}

/** Like `removeRun`, when the process ends and cannot wait. */
export function removeRunNow(run: RunDirectory): void {
  removeCgroups(cgroupName(run.id));
  rmSync(run.scratch, { recursive: true, force: true });
  rmSync(run.data, { recursive: true, force: true });
}

/** Removes the logs of runs that ended more than a day ago; the one of the chroot's making stays. */
export async function removeOldLogs(labDir: string): Promise<void> {
  const logs = join(labDir, "logs");
  for (const name of existsSync(logs) ? await readdir(logs) : []) {
    const isOfRun = /^[0-9a-f]{8}-/.test(name);
    if (isOfRun && (await stat(join(logs, name))).mtimeMs < Date.now() - LOGS_KEPT_MS)
      await rm(join(logs, name), { force: true });
  }
}

/** Ends and removes what runs whose process was killed left behind. Returns the ids of the runs that are alive. */
export async function removeLeftovers(labDir: string): Promise<readonly string[]> {
  const alive: string[] = [];
  const runs = join(labDir, "runs");
  for (const id of existsSync(runs) ? await readdir(runs) : []) {
    const data = join(runs, id);
    const owner = readOwner(join(data, "owner.json"));
    // A run that is just being made has not written it yet.
    if (owner === undefined) continue;
    if (isAlive(owner.process)) {
      alive.push(id);
      continue;
    }
    killEngines(data, id);
    await removeRun({ id, data, scratch: owner.scratch });
  }
  return alive;
}

/** The process with this number, or undefined when there is none. */
export function processId(pid: number): ProcessId | undefined {
  try {
    // The second field is the program's name in parentheses and may hold anything.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    const startTime = fields[19];
    return startTime === undefined || fields[0] === "Z" ? undefined : { pid, startTime };
  } catch {
    return undefined;
  }
}

function isAlive({ pid, startTime }: ProcessId): boolean {
  return processId(pid)?.startTime === startTime;
}

/** Kills the engines that this run recorded and waits until they have ended. */
function killEngines(data: string, id: string): void {
  for (const name of readdirSync(data)) waitForEnd(killFirstProcess(join(data, name, "pid"), cgroupName(id)));
}

/**
 * Kills the first process of an engine's namespaces by the number it wrote down, if the process that has the
 * number now is the engine or the script that becomes it. Returns it when it was there.
 */
export function killFirstProcess(pidFile: string, cgroup: string): ProcessId | undefined {
  try {
    const pid = Number(readFileSync(pidFile, "utf8"));
    const found = Number.isSafeInteger(pid) && pid > 1 ? processId(pid) : undefined;
    if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(`/${cgroup}`)) return undefined;
    process.kill(pid, "SIGKILL");
    return found;
  } catch {
    // It did not come so far, or has ended.
    return undefined;
  }
}

/** Blocks, at most five seconds, until this process has ended: the first of its namespace ends after all others. */
export function waitForEnd(ending: ProcessId | undefined): void {
  if (ending === undefined) return;
  for (let tries = 0; tries < 500 && isAlive(ending); tries += 1) pause(10);
}

function readOwner(file: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Owner;
  } catch {
    return undefined;
  }
}

/** Removes the cgroups of this name from every hierarchy (one on cgroup v2, a dozen on v1); they must be empty. */
function removeCgroups(name: string): void {
  const hierarchies = ["/sys/fs/cgroup", ...subdirectories("/sys/fs/cgroup")];
  for (const hierarchy of hierarchies) removeCgroup(join(hierarchy, name));
}

function removeCgroup(path: string): void {
  for (const child of subdirectories(path)) removeCgroup(child);
  for (let tries = 0; tries < 50; tries += 1) {
    try {
      rmdirSync(path);
      return;
    } catch (error) {
      // A container that was killed a moment ago still counts; other than that it is not there.
      if (!(error instanceof Error && "code" in error && error.code === "EBUSY")) return;
      pause(10);
    }
  }
}

/** Blocks this thread, for what must be done before the process ends. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

function subdirectories(path: string): readonly string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(path, entry.name));
  } catch {
    return [];
  }
}

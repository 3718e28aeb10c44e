// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { atExit } from "../e2e/lab/at-exit.ts";
import { type ProcessId, processId, removeOldLogs, waitForEnd } from "../e2e/lab/runs.ts";

/** What one run of the servers has on disk; all but the logs is removed at its end. */
export interface ServerRun {
  readonly id: string;
  /** Data of the servers. */
  readonly data: string;
  /** A short path for sockets (they hold 107 bytes), open to this user alone. */
  readonly sockets: string;
  /** The log file of a server. */
  logFile(name: string): string;
  /** Writes down a server's process, for a later run to end it if this one is killed. */
  record(name: string, pid: number): void;
  remove(): Promise<void>;
}

/** What a run writes down about itself. */
interface Owner {
  readonly process: ProcessId;
  readonly sockets: string;
}

/** Ends and removes what killed runs left behind, and makes the directories of a new one. */
export async function newServerRun(directory: string): Promise<ServerRun> {
  removeLeftovers(directory);
  await removeOldLogs(directory);
  const id = randomBytes(4).toString("hex");
  const data = join(directory, "runs", id);
  const sockets = await mkdtemp("/tmp/tlog-servers-");
  await mkdir(data, { recursive: true });
  await mkdir(join(directory, "logs"), { recursive: true });
  const owner: Owner = { process: processId(process.pid) ?? { pid: process.pid, startTime: "" }, sockets };
  writeFileSync(join(data, "owner.json"), JSON.stringify(owner));
  // Registered before any server is, so that it runs after all of them have been killed.
  const forget = atExit(() => removeNow(data, sockets));
  return {
    id,
    data,
    sockets,
    logFile: (name) => join(directory, "logs", `${id}-${name}.log`),
    record(name, pid) {
      writeFileSync(join(data, `${name}.pid.json`), JSON.stringify(processId(pid) ?? null));
    },
    async remove() {
      forget();
      await rm(data, { recursive: true, force: true });
      await rm(sockets, { recursive: true, force: true });
    },
  };
}

function removeLeftovers(directory: string): void {
  const runs = join(directory, "runs");
  for (const id of existsSync(runs) ? readdirSync(runs) : []) {
    const data = join(runs, id);
    const owner = read<Owner>(join(data, "owner.json"));
    // Without it a run is just being made.
    if (owner === undefined || isAlive(owner.process)) continue;
    for (const name of readdirSync(data)) {
      const server = name.endsWith(".pid.json") ? read<ProcessId>(join(data, name)) : undefined;
      if (server === undefined || !isAlive(server)) continue;
      process.kill(server.pid, "SIGKILL");
      waitForEnd(server);
    }
    removeNow(data, owner.sockets);
  }
}

function removeNow(data: string, sockets: string): void {
  rmSync(data, { recursive: true, force: true });
  rmSync(sockets, { recursive: true, force: true });
}

/** Whether it is this very process, not a later one with its number. */
function isAlive({ pid, startTime }: ProcessId): boolean {
  return processId(pid)?.startTime === startTime;
}

function read<T>(file: string): T | undefined {
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as T | null) ?? undefined;
  } catch {
    return undefined;
  }
}

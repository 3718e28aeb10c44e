// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { atExit } from "../e2e/lab/at-exit.ts";
import { httpRequest } from "../e2e/lab/http-request.ts";
import { tail } from "../e2e/lab/lab-error.ts";
import { ServerError } from "./server-error.ts";
import type { ServerRun } from "./server-run.ts";

/** A server's process. */
export interface Daemon {
  /** Kills it and waits until it has ended; a second call does nothing. */
  stop(): Promise<void>;
}

/** What to start. */
export interface DaemonCommand {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  /** The whole environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether it does what it is for; may throw when it does not. */
  readonly isReady: () => Promise<boolean>;
}

const START_MS = 60_000;
const LOOK_MS = 50;

/**
 * Starts a server and waits until it is ready. It ends with this process, however this process ends. Throws
 * ServerError NOT_STARTED with the end of its log.
 */
export async function startDaemon(run: ServerRun, command: DaemonCommand): Promise<Daemon> {
  const { name, file, args, env = {} } = command;
  const logFile = run.logFile(name);
  const log = openSync(logFile, "a");
  // In a group of its own: Ctrl-C is for us, and we end it after we have done with it.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", file, ...args], {
    env: { ...env },
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`cannot be run: ${error.message}`));
    child.once("exit", (code, signal) => resolve(`ended early (${signal ?? `exit code ${code}`})`));
  });
  if (child.pid !== undefined) run.record(name, child.pid);
  const forget = atExit(() => child.kill("SIGKILL"));
  const daemon: Daemon = {
    async stop() {
      child.kill("SIGKILL");
      await ended;
      forget();
    },
  };
  try {
    await Promise.race([
      ready(command),
      ended.then((how) => {
        throw new ServerError("NOT_STARTED", `server "${name}" ${how}; ${tail(logFile)}`);
      }),
    ]);
  } catch (error) {
    await daemon.stop();
    if (error instanceof ServerError) throw error;
    throw new ServerError("NOT_STARTED", `server "${name}" did not start; ${tail(logFile)}`, {
      cause: error,
    });
  }
  return daemon;
}

/** Whether a GET of this URL is answered with 200. */
export async function answers(url: string): Promise<boolean> {
  const { hostname, port, pathname } = new URL(url);
  const { status } = await httpRequest({ hostname, port, path: pathname, timeoutMs: 5_000 });
  return status === 200;
}

async function ready({ isReady }: DaemonCommand): Promise<void> {
  const end = performance.now() + START_MS;
  for (;;) {
    try {
      if (await isReady()) return;
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    if (performance.now() > end) throw new Error(`not ready after ${START_MS} ms`);
    await pause(LOOK_MS);
  }
}

// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { atExit } from "./at-exit.ts";
import { type Chroot, MULTIARCH } from "./chroot.ts";
import { type Outcome, run } from "./command.ts";
import { LabError, tail } from "./lab-error.ts";

/** A containerd without an engine around it. */
export interface Containerd {
  /** Runs `ctr` on it. */
  ctr(...args: readonly string[]): Promise<Outcome>;
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 30_000;
const TIMEOUT_MS = 120_000;

/** Starts the chroot's containerd, with all that it keeps in this directory; the path of its socket must be short. Throws LabError. */
export async function startContainerd({ root }: Chroot, directory: string): Promise<Containerd> {
  const program = (path: string): readonly [string, ...string[]] => [
    join(root, MULTIARCH.loader),
    "--library-path",
    join(root, MULTIARCH.libraries),
    join(root, path),
  ];
  const socket = join(directory, "containerd.sock");
  const config = join(directory, "config.toml");
  const logFile = join(directory, "containerd.log");
  await mkdir(directory, { recursive: true });
  await writeFile(
    config,
    `version = 2
root = "${directory}/root"
state = "${directory}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.internal.v1.opt"]
[grpc]
  address = "${socket}"
# Plain directories, for which no file system has to be mounted.
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = "linux/${process.arch === "arm64" ? "arm64" : "amd64"}"
  snapshotter = "native"
`,
  );
  const [loader, ...args] = program("usr/bin/containerd");
  const log = openSync(logFile, "a");
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", loader, ...args, "--config", config], {
    stdio: ["ignore", log, log],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
  closeSync(log);
  const forget = atExit(() => child.kill("SIGKILL"));
  const exited = once(child, "exit");
  const stop = async () => {
    forget();
    child.kill("SIGKILL");
    await exited;
  };
  for (const end = performance.now() + READY_WITHIN_MS; !existsSync(socket); await sleep(50)) {
    if (performance.now() < end && child.exitCode === null) continue;
    await stop();
    throw new LabError("NOT_STARTED", `containerd did not start; ${tail(logFile)}`);
  }
  return {
    ctr(...given) {
      const [command, ...rest] = program("usr/bin/ctr");
      return run(command, [...rest, "--address", socket, ...given], { timeoutMs: TIMEOUT_MS });
    },
    stop,
  };
}

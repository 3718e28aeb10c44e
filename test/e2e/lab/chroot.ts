// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, rename, statfs, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { atExit } from "./at-exit.ts";
import { installDebian } from "./debian.ts";
import { LabError } from "./lab-error.ts";
import { say } from "./progress.ts";

/** A Debian system in a directory: Docker Engine, buildx, registry, rekor-cli, cosign and skopeo from Debian's packages. */
export interface Chroot {
  /** The lab's directory, absolute. */
  readonly labDir: string;
  /** The system's root directory. */
  readonly root: string;
  /** The Debian suite it was made from. */
  readonly suite: string;
  /** The path of a script that runs this program of the chroot on the machine's own files. */
  tool(name: Tool): string;
}

/** The chroot's programs that are run outside of it, by name. */
const TOOLS = {
  docker: "usr/bin/docker",
  "docker-buildx": "usr/libexec/docker/cli-plugins/docker-buildx",
  "docker-registry": "usr/bin/docker-registry",
  "rekor-cli": "usr/bin/rekor-cli",
  cosign: "usr/bin/cosign",
  skopeo: "usr/bin/skopeo",
} as const;
export type Tool = keyof typeof TOOLS;

/** Debian's name for this machine's libraries' directory, and the dynamic loader. */
export const MULTIARCH =
  process.arch === "arm64"
    ? { libraries: "usr/lib/aarch64-linux-gnu", loader: "lib/ld-linux-aarch64.so.1" }
    : { libraries: "usr/lib/x86_64-linux-gnu", loader: "lib64/ld-linux-x86-64.so.2" };

const PACKAGES = [
  "busybox-static",
  "ca-certificates",
  "cosign",
  "docker-buildx",
  "docker-cli",
  "docker-registry",
  "docker.io",
  "git",
  "iproute2",
  "rekor",
  "runc",
  "skopeo",
];
/** Newest first: forky has the engine that users have today; trixie is there when forky cannot be installed. */
const SUITES = ["forky", "trixie"];
/** Written last, so that a chroot without it, or with another text in it, is made anew. */
const RECIPE = `2 ${process.arch} ${PACKAGES.join(" ")}`;
const NEEDED_BYTES = 3 * 1024 ** 3;

/** The lab's directory: `$TLOG_LAB_DIR`, or `.lab` in the repository. */
export function labDirectory(): string {
  return resolve(process.env["TLOG_LAB_DIR"] ?? join(import.meta.dirname, "../../../.lab"));
}

/**
 * Gives the chroot of this lab directory; makes it if it is not there, which takes half a minute or more and is
 * told on standard error. Two processes that want it at the same time make it once. Throws LabError NOT_POSSIBLE
 * or NOT_MADE.
 */
export async function chroot(labDir = labDirectory()): Promise<Chroot> {
  const made = await read(labDir);
  if (made !== undefined) return made;
  await checkMachine(labDir);
  const unlock = await lockLab(labDir);
  try {
    const meanwhile = await read(labDir);
    if (meanwhile !== undefined) return meanwhile;
    await make(labDir);
  } finally {
    unlock();
  }
  const result = await read(labDir);
  if (result === undefined)
    throw new LabError("NOT_MADE", `the chroot in "${labDir}" is not there after it was made`);
  return result;
}

/** The file that tells that a directory is a lab, so that nothing else is ever removed. */
export function markerFile(labDir: string): string {
  return join(labDir, "tlog-lab");
}

async function read(labDir: string): Promise<Chroot | undefined> {
  if (!existsSync(join(labDir, "made"))) return undefined;
  const [recipe, suite = ""] = (await readFile(join(labDir, "made"), "utf8")).split("\n");
  if (recipe !== RECIPE) return undefined;
  return { labDir, suite, root: join(labDir, "root"), tool: (name) => join(labDir, "bin", name) };
}

async function checkMachine(labDir: string): Promise<void> {
  const cannot = (why: string) =>
    new LabError("NOT_POSSIBLE", `cannot make a Docker Engine from Debian packages in "${labDir}": ${why}`);
  if (process.platform !== "linux") throw cannot(`this is ${process.platform}, it takes Linux`);
  if (process.getuid?.() !== 0) throw cannot("it takes root, run this as root or with sudo");
  if (!existsSync("/usr/bin/apt-get"))
    throw cannot("there is no apt-get, it takes a Debian or a system made from it");
  await mkdir(join(labDir, "logs"), { recursive: true });
  const { bavail, bsize } = await statfs(labDir);
  if (bavail * bsize < NEEDED_BYTES)
    throw cannot(`it takes ${NEEDED_BYTES} bytes of disk, only ${bavail * bsize} are free`);
  await markLab(labDir);
}

/** Says in the directory that it is a lab, and makes it if it is not there. */
export async function markLab(labDir: string): Promise<void> {
  await mkdir(labDir, { recursive: true });
  await writeFile(markerFile(labDir), "A lab of tlog-dockerfile. Remove it with: npm run lab:remove\n");
}

/** Holds the lab's lock until the returned function is called; the kernel frees it when this process ends. */
export async function lockLab(labDir: string): Promise<() => void> {
  const holder = spawn("flock", ["--exclusive", join(labDir, "lock"), "sh", "-c", "echo locked; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const forget = atExit(() => holder.kill());
  await new Promise<void>((locked, reject) => {
    holder.once("error", (cause) => reject(new LabError("NOT_POSSIBLE", `cannot run "flock"`, { cause })));
    holder.once("exit", () => reject(new LabError("NOT_MADE", `cannot lock "${join(labDir, "lock")}"`)));
    holder.stdout.once("data", () => locked());
  });
  return () => {
    forget();
    holder.stdin.end();
  };
}

async function make(labDir: string): Promise<void> {
  const start = performance.now();
  say(`making a Docker Engine from Debian packages in ${labDir}, about 30 s …`);
  const log = join(labDir, "logs", "chroot.log");
  const suite = await installDebian({ root: join(labDir, "root"), packages: PACKAGES, suites: SUITES, log });
  await writeTools(labDir);
  await writeFile(join(labDir, "made.new"), `${RECIPE}\n${suite}\n`);
  await rename(join(labDir, "made.new"), join(labDir, "made"));
  say(`made from Debian "${suite}" in ${Math.round((performance.now() - start) / 1000)} s`);
}

/** Scripts that run the chroot's programs with the chroot's own loader and libraries, whatever the machine's are. */
async function writeTools(labDir: string): Promise<void> {
  await mkdir(join(labDir, "bin"), { recursive: true });
  for (const [name, path] of Object.entries(TOOLS)) {
    const file = join(labDir, "bin", name);
    const script = `#!/bin/sh
root="\${0%/*}/../root"
exec "$root/${MULTIARCH.loader}" --library-path "$root/${MULTIARCH.libraries}" "$root/${path}" "$@"
`;
    await writeFile(file, script);
    await chmod(file, 0o755);
  }
}

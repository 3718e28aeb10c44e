// SPDX-License-Identifier: Apache-2.0
import { writeFile } from "node:fs/promises";
import { mustRun, run } from "./command.ts";
import { LabError, tail } from "./lab-error.ts";
import { say } from "./progress.ts";
import { removeTree } from "./tree.ts";

/** Killed half-way, it leaves neither processes nor mounts behind: they are in namespaces that end with it. */
const CONTAINED =
  "--pdeathsig KILL -- unshare --mount --pid --fork --kill-child --mount-proc --propagation private --".split(
    " ",
  );
const MMDEBSTRAP = [
  "mmdebstrap",
  "--mode=root",
  "--variant=apt",
  "--format=directory",
  // A mirror's list may be past its date.
  '--aptopt=Acquire::Check-Valid-Until "false"',
  '--aptopt=Acquire::Retries "3"',
];

/**
 * Installs a minimal Debian with these packages in `root`, which is emptied before: the first of the suites that
 * can be installed. Returns that suite. Throws LabError NOT_MADE with the end of the log when none can.
 */
export async function installDebian({
  root,
  packages,
  suites,
  log,
}: {
  readonly root: string;
  readonly packages: readonly string[];
  readonly suites: readonly string[];
  readonly log: string;
}): Promise<string> {
  await installMmdebstrap();
  const failures: string[] = [];
  for (const suite of suites) {
    await removeTree(root);
    const outcome = await run(
      "setpriv",
      [...CONTAINED, ...MMDEBSTRAP, `--include=${packages.join(",")}`, suite, root],
      { timeoutMs: 15 * 60_000, onLine: (line) => line.startsWith("I: ") && say(`  ${line.slice(3)}`) },
    );
    await writeFile(log, outcome.output, { flag: "a" });
    if (outcome.code === 0) return suite;
    failures.push(`"${suite}" (exit code ${outcome.code})`);
    if (suite !== suites.at(-1))
      say(`Debian "${suite}" cannot be installed (see ${log}), trying the next suite`);
  }
  await removeTree(root);
  throw new LabError("NOT_MADE", `cannot install Debian ${failures.join(" nor ")}; ${tail(log)}`);
}

async function installMmdebstrap(): Promise<void> {
  const there = await run("sh", ["-c", "command -v mmdebstrap"], { timeoutMs: 10_000 });
  if (there.code === 0) return;
  say("  installing the package mmdebstrap");
  const options = ["-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"];
  const install = ["install", ...options, "mmdebstrap", "debian-archive-keyring"];
  const settings = {
    env: { ...inheritedEnvironment(), DEBIAN_FRONTEND: "noninteractive" },
    timeoutMs: 5 * 60_000,
  };
  const first = await run("apt-get", install, settings);
  if (first.code === 0) return;
  // A fresh machine has no package lists, or old ones.
  await mustRun("apt-get", ["update"], settings);
  await mustRun("apt-get", install, settings);
}

/** The environment of this process, for a command that needs more than PATH. */
export function inheritedEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { labDirectory, lockLab, markLab } from "./chroot.ts";
import { installDebian } from "./debian.ts";
import { LabError } from "./lab-error.ts";
import { say } from "./progress.ts";

/** Chromium without a window, as Debian builds it, and a typeface. */
const PACKAGES = ["chromium-headless-shell", "fonts-dejavu-core"];
const SUITES = ["forky", "trixie"];
const RECIPE = `1 ${process.arch} ${PACKAGES.join(" ")}`;
/**
 * Chromium starts itself anew for its own processes, by the path of its program. So it runs with its root as `/`; what it mounts ends
 * with it. The pipes by which it is told what to do, and the loopback network, are the machine's.
 */
const SCRIPT = `#!/bin/sh
root="\${0%/*}/root"
exec setpriv --pdeathsig KILL -- unshare --mount --propagation private -- /bin/sh -c '
  root=$1; shift
  mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount -t tmpfs tmpfs "$root/tmp" || exit 1
  exec chroot "$root" /usr/bin/chromium-headless-shell "$@"
' sh "$root" "$@"
`;

/**
 * The path of a script that runs Chromium with these arguments; Debian's is installed once in the lab's directory, which takes a
 * minute. It writes nothing outside of a directory that ends with it. Throws LabError NOT_POSSIBLE or NOT_MADE.
 */
export async function chromium(labDir = labDirectory()): Promise<string> {
  const directory = join(labDir, "chromium");
  const script = join(directory, "chromium");
  if (await isMade(directory)) return script;
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get"))
    throw new LabError(
      "NOT_POSSIBLE",
      "cannot install Chromium from Debian's packages: it takes root and apt-get",
    );
  await markLab(labDir);
  const unlock = await lockLab(labDir);
  try {
    if (await isMade(directory)) return script;
    say("  installing Chromium from Debian's packages");
    await mkdir(join(labDir, "logs"), { recursive: true });
    await mkdir(directory, { recursive: true });
    const log = join(labDir, "logs", "chromium.log");
    const suite = await installDebian({
      root: join(directory, "root"),
      packages: PACKAGES,
      suites: SUITES,
      log,
    });
    await writeFile(script, SCRIPT);
    await chmod(script, 0o755);
    await writeFile(join(directory, "made.new"), `${RECIPE}\n${suite}\n`);
    await rename(join(directory, "made.new"), join(directory, "made"));
  } finally {
    unlock();
  }
  return script;
}

async function isMade(directory: string): Promise<boolean> {
  const made = join(directory, "made");
  return existsSync(made) && (await readFile(made, "utf8")).startsWith(`${RECIPE}\n`);
}

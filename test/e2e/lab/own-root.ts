// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { lockLab, markLab } from "./chroot.ts";
import { installDebian } from "./debian.ts";
import { LabError } from "./lab-error.ts";
import { say } from "./progress.ts";

/** Programs of Debian's packages that are installed when a test first asks for them, in a root of their own. */
export interface OwnRoot {
  /** The directory in the lab's, and the script in it. */
  readonly name: string;
  /** What is installed, for people. */
  readonly what: string;
  readonly packages: readonly string[];
  /** A shell script that runs them; the root is the directory `root` beside it. */
  readonly script: string;
}

const SUITES = ["forky", "trixie"];

/**
 * The path of the script, after the packages were installed: once in a lab directory, which takes half a minute or more. Throws LabError
 * NOT_POSSIBLE or NOT_MADE.
 */
export async function ownRoot({ name, what, packages, script }: OwnRoot, labDir: string): Promise<string> {
  const directory = join(labDir, name);
  const file = join(directory, name);
  const recipe = `1 ${process.arch} ${packages.join(" ")}`;
  const isMade = async () => {
    const made = join(directory, "made");
    return existsSync(made) && (await readFile(made, "utf8")).startsWith(`${recipe}\n`);
  };
  if (await isMade()) return file;
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get"))
    throw new LabError(
      "NOT_POSSIBLE",
      `cannot install ${what} from Debian's packages: it takes root and apt-get`,
    );
  await markLab(labDir);
  const unlock = await lockLab(labDir);
  try {
    if (await isMade()) return file;
    say(`installing ${what} from Debian's packages, once, about 30 s …`);
    await mkdir(join(labDir, "logs"), { recursive: true });
    await mkdir(directory, { recursive: true });
    const log = join(labDir, "logs", `${name}.log`);
    const suite = await installDebian({ root: join(directory, "root"), packages, suites: SUITES, log });
    await writeFile(file, script);
    await chmod(file, 0o755);
    await writeFile(join(directory, "made.new"), `${recipe}\n${suite}\n`);
    await rename(join(directory, "made.new"), join(directory, "made"));
  } finally {
    unlock();
  }
  return file;
}

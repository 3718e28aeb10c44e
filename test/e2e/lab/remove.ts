// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import { join } from "node:path";
import { labDirectory, markerFile } from "./chroot.ts";
import { LabError } from "./lab-error.ts";
import { removeLeftovers } from "./runs.ts";
import { removeTree } from "./tree.ts";

/** What a lab directory holds, the marker last: a removal that was interrupted can be repeated. */
const PARTS = [
  "made",
  "runs",
  "root",
  "bin",
  "logs",
  "lock",
  "made.new",
  "conversion",
  "go",
  "second-registry",
  "chromium",
  "pull-clients",
];

/**
 * Removes a lab: the chroot, logs, and what killed runs left. Returns false when there is none. Throws LabError
 * IN_USE while a lab runs, NOT_POSSIBLE when the directory is something else.
 */
export async function removeLab(labDir: string): Promise<boolean> {
  if (!existsSync(labDir)) return false;
  if (!existsSync(markerFile(labDir))) {
    throw new LabError(
      "NOT_POSSIBLE",
      `"${labDir}" is not a lab: it has no file "${markerFile(labDir)}"; nothing was removed`,
    );
  }
  const alive = await removeLeftovers(labDir);
  if (alive.length > 0) {
    throw new LabError(
      "IN_USE",
      `the lab "${labDir}" is in use by ${alive.length} run(s): "${alive.join('", "')}"; end them first`,
    );
  }
  for (const part of PARTS) await removeTree(join(labDir, part));
  await removeTree(markerFile(labDir));
  await rmdir(labDir).catch(() => undefined);
  return true;
}

if (import.meta.main) {
  const labDir = labDirectory();
  try {
    process.stdout.write(
      (await removeLab(labDir)) ? `removed the lab "${labDir}"\n` : `there is no lab in "${labDir}"\n`,
    );
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

// SPDX-License-Identifier: Apache-2.0
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { chroot } from "./chroot.ts";

/** The absolute path of a rekor-cli that runs here: the one on PATH, or Debian's in the lab's chroot. Throws LabError. */
export async function rekorCli(): Promise<string> {
  for (const directory of (process.env["PATH"] ?? "").split(delimiter)) {
    const file = join(directory, "rekor-cli");
    if (directory.startsWith("/") && isExecutable(file)) return file;
  }
  return (await chroot()).tool("rekor-cli");
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

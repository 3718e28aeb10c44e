// SPDX-License-Identifier: Apache-2.0
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atExit } from "../e2e/lab/at-exit.ts";
import { conversionProgram } from "../e2e/lab/conversion-program.ts";

let copied: Promise<string> | undefined;

/**
 * The path of the real conversion in a place where every user may run it. Started by root it runs as the user nobody, who often
 * cannot reach the directory that the repository lies in. Copied once, and removed when the tests have ended.
 */
export function runnableProgram(): Promise<string> {
  copied ??= conversionProgram().then((program) => {
    const directory = mkdtempSync(join(tmpdir(), "conversion-"));
    atExit(() => rmSync(directory, { recursive: true, force: true }));
    chmodSync(directory, 0o755);
    const path = join(directory, "dockerfile-frontend");
    copyFileSync(program, path);
    chmodSync(path, 0o755);
    return path;
  });
  return copied;
}

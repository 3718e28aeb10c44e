// SPDX-License-Identifier: Apache-2.0
import { mustRun } from "./command.ts";

/** Removes a directory tree, but nothing that is mounted in it. */
export async function removeTree(path: string): Promise<void> {
  await mustRun("rm", ["-rf", "--one-file-system", "--", path], { timeoutMs: 5 * 60_000 });
}

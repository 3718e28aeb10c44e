// SPDX-License-Identifier: Apache-2.0
// Downloads and compiles the real servers, with progress, and starts none of them: what takes minutes the first time.
import { goPrograms } from "./go-programs.ts";
import { serversDirectory } from "./servers-directory.ts";
import * as versions from "./versions.ts";

try {
  for (const module of Object.values(versions)) await goPrograms(serversDirectory(), module);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

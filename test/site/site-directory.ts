// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** An empty directory that is gone after the test. */
export function siteDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "site-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { type Sigstore, startSigstore } from "../sigstore/sigstore.ts";
import { checksOf, type Section } from "./conformance-row.ts";
import { conformanceTable, type Seen } from "./conformance-table.ts";
import { readingHistories } from "./history-rows.ts";
import { provingRecords } from "./proving-rows.ts";
import { searchingAndReading } from "./reading-rows.ts";
import { refusingTampered } from "./tampering-rows.ts";
import { type Target, targetAt } from "./target.ts";
import { writing } from "./writing-rows.ts";

const TABLE = new URL("../../docs/conformance.md", import.meta.url);
const SECTIONS: readonly Section[] = [
  writing,
  searchingAndReading,
  provingRecords,
  refusingTampered,
  readingHistories,
];
const TARGETS = ["development", "Rekor v1"];
/** As late as the real server is with its index and its attestations. */
const LAG_MS = 30;

const directory = mkdtempSync(join(tmpdir(), "tlog-conformance-"));
const targets = new Map<string, Target>();
const seen: Seen[] = [];
let development: Sigstore;

beforeAll(async () => {
  development = await startSigstore({ lag: LAG_MS });
  const urls = [development.url, inject("rekorV1")];
  for (const [i, name] of TARGETS.entries()) {
    const home = join(directory, String(i));
    mkdirSync(home);
    targets.set(name, await targetAt(urls[i] ?? "", { name, directory: home }));
  }
});
afterAll(async () => {
  await development.close();
  rmSync(directory, { recursive: true });
});

const checks = SECTIONS.flatMap(({ title, rows }) =>
  rows.flatMap((row) =>
    [...checksOf(row)].flatMap(([by, check]) =>
      TARGETS.map((target) => ({ title, row, by, check, target, says: row.says })),
    ),
  ),
);

describe.concurrent("the logs are the same to us and to other people's tools", () => {
  test.for(checks)("$title: $says ($target, $by)", async ({ row, by, check, target }) => {
    const at = targets.get(target);
    if (at === undefined) throw new Error(`target "${target}" was not started`);
    const text = await check.look(at);
    seen.push({ row, by, target, text });
    expect(text).toBe(check.expected);
  });
});

test("docs/conformance.md is what was seen", () => {
  // A run of some of the checks, or one that broke off, has nothing to say about the table.
  expect(seen).toHaveLength(checks.length);
  const table = conformanceTable(SECTIONS, { targets: TARGETS, seen });
  const committed = readFileSync(TABLE, "utf8");
  if (committed !== table) writeFileSync(TABLE, table);
  expect(committed, "docs/conformance.md was not what was seen; it is written anew, commit it").toBe(table);
});

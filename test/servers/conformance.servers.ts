// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { type Sigstore, startSigstore } from "../sigstore/sigstore.ts";
import { certifying } from "./certifying-rows.ts";
import { checksOf, type Section } from "./conformance-row.ts";
import { conformanceTable, DEVELOPMENT, REAL, type Seen } from "./conformance-table.ts";
import { readingHistories } from "./history-rows.ts";
import { provingRecords } from "./proving-rows.ts";
import { searchingAndReading } from "./reading-rows.ts";
import { refusingTampered } from "./tampering-rows.ts";
import { developmentTarget, realTarget, type Target } from "./target.ts";
import { readingTiles } from "./tile-rows.ts";
import { timestamping } from "./timestamping-rows.ts";
import { writingV2 } from "./writing-v2-rows.ts";
import { writing } from "./writing-rows.ts";

const TABLE = new URL("../../docs/conformance.md", import.meta.url);
const SECTIONS: readonly Section[] = [
  writing,
  writingV2,
  searchingAndReading,
  readingTiles,
  provingRecords,
  refusingTampered,
  readingHistories,
  certifying,
  timestamping,
];
const TARGETS = [DEVELOPMENT, REAL];
/** As late as the real server is with its index and its attestations. */
const LAG_MS = 30;

const directory = mkdtempSync(join(tmpdir(), "tlog-conformance-"));
const targets = new Map<string, Target>();
const seen: Seen[] = [];
let development: Sigstore;

beforeAll(async () => {
  development = await startSigstore({ lag: LAG_MS });
  const home = (name: string) => {
    const own = join(directory, name);
    mkdirSync(own);
    return { name, directory: own };
  };
  targets.set(DEVELOPMENT, developmentTarget(development, home(DEVELOPMENT)));
  targets.set(REAL, realTarget(inject("sigstore"), home(REAL)));
});
afterAll(async () => {
  await development.close();
  rmSync(directory, { recursive: true });
});

const checks = SECTIONS.flatMap(({ title, rows }) =>
  rows.flatMap((row) =>
    checksOf(row).flatMap((placed) =>
      TARGETS.map((target) => ({ title, row, ...placed, target, says: row.says })),
    ),
  ),
);

describe.concurrent("real and development servers are the same to us and to other people's tools", () => {
  test.for(checks)("$title: $says ($target, $by)", async ({ row, by, server, check, target }) => {
    const at = targets.get(target);
    if (at === undefined) throw new Error(`target "${target}" was not started`);
    const text = await check.look(at);
    seen.push({ row, by, server, target, text });
    expect(text).toBe(check.expected);
  });
});

test("docs/conformance.md is what was seen", () => {
  // A run of some of the checks, or one that broke off, has nothing to say about the table.
  expect(seen).toHaveLength(checks.length);
  const table = conformanceTable(SECTIONS, seen);
  const committed = readFileSync(TABLE, "utf8");
  if (committed !== table) writeFileSync(TABLE, table);
  expect(committed, "docs/conformance.md was not what was seen; it is written anew, commit it").toBe(table);
});

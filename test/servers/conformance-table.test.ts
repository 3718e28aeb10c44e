// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import type { Check, Row, Section } from "./conformance-row.ts";
import { conformanceTable, DEVELOPMENT, REAL, type Seen } from "./conformance-table.ts";

const check: Check = { expected: "yes", look: async () => "yes" };
const row: Row = { says: "It works", ours: check, cosign: check, v2: { ours: check } };
const lastLine = (seen: readonly Omit<Seen, "row">[], section: Partial<Section> = {}) =>
  conformanceTable(
    [{ title: "Things", rows: [row], ...section }],
    seen.map((one) => ({ row, ...one })),
  )
    .trimEnd()
    .split("\n")
    .at(-1);

test("a row shows what each server did, what a tool saw of all of them, and nothing where nobody looked", () => {
  const seen = [
    { by: "ours", target: DEVELOPMENT, server: 0, text: "yes" },
    { by: "ours", target: REAL, server: 0, text: "yes" },
    { by: "cosign", target: DEVELOPMENT, server: 0, text: "fine" },
    { by: "cosign", target: REAL, server: 0, text: "fine" },
  ];
  expect(lastLine(seen)).toBe("| It works | yes | yes |  | fine |  |");
});

test("different sights have where they were seen beside them", () => {
  const seen = [
    { by: "ours", target: DEVELOPMENT, server: 1, text: "no" },
    { by: "ours", target: DEVELOPMENT, server: 0, text: "a|b" },
    { by: "ours", target: REAL, server: 1, text: "no" },
    { by: "cosign", target: REAL, server: 0, text: "bad" },
    { by: "cosign", target: DEVELOPMENT, server: 0, text: "good" },
    { by: "cosign", target: DEVELOPMENT, server: 1, text: "fine" },
    { by: "cosign", target: REAL, server: 1, text: "fine" },
  ];
  expect(lastLine(seen)).toBe(
    "| It works | Rekor v1: a\\|b; Rekor v2: no |  | no | Rekor v1 (development): good; Rekor v1 (real): bad; Rekor v2: fine |  |",
  );
});

test("a section about another server has a column for that one alone", () => {
  const seen = [{ by: "ours", target: REAL, server: 0, text: "yes" }];
  expect(lastLine(seen, { servers: ["Fulcio"] })).toBe("| It works |  | yes |");
});

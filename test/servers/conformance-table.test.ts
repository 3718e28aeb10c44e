// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import type { Check, Row } from "./conformance-row.ts";
import { conformanceTable } from "./conformance-table.ts";

const check: Check = { expected: "yes", look: async () => "yes" };
const row: Row = { says: "It works", ours: check, cosign: check };
const targets = ["one", "two"];
const lastLine = (seen: Parameters<typeof conformanceTable>[1]["seen"]) =>
  conformanceTable([{ title: "Things", rows: [row] }], { targets, seen })
    .trimEnd()
    .split("\n")
    .at(-1);

test("a row shows what each target did, what a tool saw of all of them, and nothing where nobody looked", () => {
  const seen = ["ours", "cosign"].flatMap((by) =>
    targets.map((target) => ({ row, by, target, text: "yes" })),
  );
  expect(lastLine(seen)).toBe("| It works | yes | yes | yes |  |");
});

test("a tool that saw different things says where", () => {
  const seen = [
    { row, by: "ours", target: "one", text: "a|b" },
    { row, by: "cosign", target: "two", text: "no" },
    { row, by: "cosign", target: "one", text: "yes" },
  ];
  expect(lastLine(seen)).toBe("| It works | a\\|b |  | one: yes; two: no |  |");
});

// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

/** The rows of the table of claims: the claim, and the tests that show it as `file`: title. */
const rows = readFileSync("SECURITY.md", "utf8")
  .split("\n")
  .filter((line) => /^\| .* \| `test\//.test(line))
  .map((line) => {
    const [claim = "", shownBy = ""] = line.slice(2, -2).split(" | ");
    return { claim, shownBy: shownBy.split("<br>").map((each) => /^`([^`]+)`: (.+)$/.exec(each)) };
  });

test("there are claims", () => {
  expect(rows.length).toBeGreaterThan(20);
});

describe("a claim of SECURITY.md names tests that are there", () => {
  test.for(rows)("$claim", ({ shownBy }) => {
    for (const named of shownBy) {
      const [, file = "", title = ""] = named ?? [];
      expect(readFileSync(file, "utf8")).toContain(title);
    }
  });
});

// SPDX-License-Identifier: Apache-2.0
import { globSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

/** The files that throw the errors of each part of the section. */
const THROWN_IN: Readonly<Record<string, readonly string[]>> = {
  Approvals: ["src/check/*.ts", "src/build/*.ts"],
  Commands: ["src/subrequests/request.ts"],
  "The conversion": ["src/gate/*.ts", "src/conversion/*.ts", "src/build/convert.ts"],
  "Lock files": ["src/lock/*.ts", "src/check/brought-records.ts"],
};

const [, section = ""] = readFileSync("docs/messages.md", "utf8").split(
  "## Errors that are not about one image\n",
);
const parts = section.split(/^### /m).slice(1);

test("every part of the section has its files", () => {
  expect(parts.map((part) => part.split("\n")[0])).toEqual(Object.keys(THROWN_IN));
});

describe.each(parts.map((part) => ({ part: part.split("\n")[0] ?? "", rows: tableRows(part) })))(
  "an error that is documented under $part is one that can be met",
  ({ part, rows }) => {
    const files = (THROWN_IN[part] ?? []).flatMap((pattern) => globSync(pattern));
    const source = files.map((file) => readFileSync(file, "utf8")).join("\n");

    test.for(rows)("%s", (row) => {
      const quoted = [...(row.split(" | ")[0] ?? "").matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text);
      expect(quoted).not.toEqual([]);
      // What is different each time stands in the source as an expression.
      for (const piece of quoted.flatMap((text) => text.split("…"))) expect(source).toContain(piece);
    });
  },
);

function tableRows(part: string): readonly string[] {
  return part.split("\n").filter((line) => line.startsWith("| `"));
}

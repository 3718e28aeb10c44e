// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { COLUMNS, folded, ignoredEntries } from "../../src/report/phrases.ts";

const DIGEST = `"sha256:${"c8".repeat(32)}"`;

test.for([
  { row: "a sentence that fits stays in its line", sentence: "the log does not prove it", lines: 1 },
  { row: "a long one is broken", sentence: "dated tags are written once ".repeat(5).trim(), lines: 2 },
  { row: "a digest is whole", sentence: `the lock file begins with ${DIGEST}, and the log not`, lines: 3 },
  { row: "a word as wide as a line", sentence: `the log ${"x".repeat(COLUMNS)} has none`, lines: 3 },
  { row: "a word one short of that", sentence: `the log ${"x".repeat(COLUMNS - 1)} has none`, lines: 3 },
  {
    row: "an address wider than any terminal",
    sentence: `the log "https://rekor.example/${"a".repeat(200)}" has no search`,
    lines: 3,
  },
  { row: "nothing", sentence: "", lines: 1 },
])("$row, and no word is lost", ({ sentence, lines }) => {
  const shown = folded(sentence);
  expect(shown.join(" ")).toBe(sentence);
  expect(shown).toHaveLength(lines);
  for (const line of shown) expect(line.length <= COLUMNS || !line.includes(" ")).toBe(true);
});

test.for<{ rejected: [string, number][]; text: string }>([
  { rejected: [], text: "" },
  { rejected: [["malformed", 1]], text: "1 entry under this name in the log does not count (1 malformed)" },
  { rejected: [["unread", 1]], text: "1 entry under this name in the log could not be read" },
  {
    rejected: [
      ["malformed", 1],
      ["unread", 2],
      ["replayed", 2],
    ],
    text: "3 entries under this name in the log do not count (1 malformed, 2 replayed); 2 entries under this name in the log could not be read",
  },
])("entries that are no records: $text", ({ rejected, text }) => {
  expect(ignoredEntries(rejected)).toBe(text);
});

// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { excerpt } from "../../src/log/excerpt.ts";

test.for([
  { row: "a short text as it is", text: "søknad 日本 👩", max: 80, want: "søknad 日本 👩" },
  { row: "a text of exactly the limit whole", text: "abcde", max: 5, want: "abcde" },
  { row: "a longer one cut, and says so", text: "abcdef", max: 5, want: "abcde…" },
  { row: "characters, not halves of them", text: "👩👩👩", max: 2, want: "👩👩…" },
  { row: "several lines as one", text: " a\r\n\t b\n", max: 80, want: "a b" },
  { row: "no terminal commands", text: "\u001B[31mred\u0007\u009B2J", max: 80, want: "?[31mred??2J" },
  {
    row: "nothing that turns its direction or hides",
    text: "a\u202Eb\u200Bc\u2066d\u00ADe",
    max: 80,
    want: "a?b?c?d?e",
  },
  { row: "no halves of surrogate pairs", text: "a\uD800b", max: 80, want: "a?b" },
  { row: "bytes as UTF-8", text: Buffer.from("søknad"), max: 80, want: "søknad" },
  { row: "bytes that are no UTF-8", text: Buffer.from([0x61, 0xff, 0x62]), max: 80, want: "a?b" },
  { row: "the start of a huge text", text: "a".repeat(10_000_000), max: 3, want: "aaa…" },
  { row: "the start of many bytes", text: Buffer.alloc(10_000_000, "a"), max: 3, want: "aaa…" },
  { row: "nothing as nothing", text: "", max: 80, want: "" },
])("shows $row", ({ text, max, want }) => {
  expect(excerpt(text, max)).toBe(want);
});

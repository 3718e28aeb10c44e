// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { entryLines } from "../../../src/courier/server/service.ts";

const uuid = (n: number) => n.toString(16).padStart(64, "0");
const entries = (count: number, size: number) =>
  Array.from({ length: count }, (_, n) => ({ uuid: uuid(n), entry: { body: "ø".repeat(size) } }));
const said = (lines: readonly string[]) =>
  lines.flatMap((line) => (JSON.parse(line) as { entries: unknown[] }).entries);

test("few entries are said in one line", () => {
  const three = entries(3, 5);
  expect(entryLines(7, three)).toEqual([`${JSON.stringify({ say: "entries", id: 7, entries: three })}\n`]);
});

test("no entries need no line", () => {
  expect(entryLines(7, [])).toEqual([]);
});

test.for([250, 300, 333, 500, 1000])("many are said in lines of at most %i bytes, none lost", (max) => {
  const many = entries(20, 30);
  const lines = entryLines(7, many, max);
  expect(said(lines)).toEqual(many);
  for (const line of lines) expect(Buffer.byteLength(line) - 1).toBeLessThanOrEqual(max);
});

test("one that fills a line to the last byte is said, and one byte more leaves nothing of it", () => {
  const [one] = entries(1, 50);
  const whole = entryLines(7, one === undefined ? [] : [one]);
  const size = Buffer.byteLength(whole.join("")) - 1;
  expect(said(entryLines(7, entries(1, 50), size))).toEqual(entries(1, 50));
  expect(said(entryLines(7, entries(1, 50), size - 1))).toEqual([{ uuid: uuid(0), entry: {} }]);
});

test("one that is nested deeper than can be written is said without content beside the others", () => {
  const deep: unknown = JSON.parse("[".repeat(200_000) + "]".repeat(200_000));
  expect(
    said(
      entryLines(7, [
        { uuid: uuid(0), entry: deep },
        { uuid: uuid(1), entry: 1 },
      ]),
    ),
  ).toEqual([
    { uuid: uuid(0), entry: {} },
    { uuid: uuid(1), entry: 1 },
  ]);
});

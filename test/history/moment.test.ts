// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { isAhead, readMoment } from "../../src/history/moment.ts";

test.for([
  ["2026-03-01", "2026-03-01T23:59:59.999Z"],
  ["2024-02-29", "2024-02-29T23:59:59.999Z"],
  ["2026-03-01T12:00:00Z", "2026-03-01T12:00:00.000Z"],
  ["2026-03-01t12:00:00.5z", "2026-03-01T12:00:00.500Z"],
  ["2026-03-01T00:30:00+02:00", "2026-02-28T22:30:00.000Z"],
])("%s is read as %s", ([text = "", moment]) => {
  expect(readMoment(text)?.toISOString()).toBe(moment);
});

test.for([
  "",
  "yesterday",
  "2026-02-30",
  "2026-02-30T12:00:00Z",
  "2026-13-01",
  "2026-3-1",
  "2026-03-01T12:00:00",
  "2026-03-01 12:00:00Z",
  "2026-03-01T24:00:00Z",
  "2026-03-01T12:00:60Z",
  "2026-03-01T12:00:00+25:00",
  "1772366400",
  "+002026-03-01",
])('"%s" is no moment', (text) => {
  expect(readMoment(text)).toBeUndefined();
});

test("a day that has begun may be asked about, and the next one not", () => {
  const now = new Date("2026-03-01T00:00:01Z");
  expect(isAhead("2026-03-01", now)).toBe(false);
  expect(isAhead("2026-03-02", now)).toBe(true);
  expect(isAhead("2026-03-01T00:00:02Z", now)).toBe(true);
});

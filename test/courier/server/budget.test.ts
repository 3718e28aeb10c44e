// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Budget } from "../../../src/courier/server/budget.ts";

const budget = () =>
  new Budget({
    tag: { entries: 10, bytes: 100, ms: 60 },
    build: { entries: 25, bytes: 150, ms: 200 },
  });

describe("a tag", () => {
  test.for([
    { row: "entries", spent: [10, 1, 1, 1], says: "more than 10 entries or 100 bytes" },
    { row: "bytes", spent: [1, 100, 1, 1], says: "that may be records of one tag" },
  ] as const)("may not bring more $row in all its searches than it has", ({ spent, says }) => {
    const shared = budget();
    const [first, bytes, more, moreBytes] = spent;
    shared.begin("a").spend(first, bytes);
    const again = shared.begin("a");
    expect(() => again.spend(more, moreBytes)).toThrow(says);
    expect(() => shared.begin("b").spend(10, 20)).not.toThrow();
  });

  test("has no more time once its searches took it, and others still have theirs", async () => {
    const shared = budget();
    const search = shared.begin("a");
    expect(search.leftMs).toBeGreaterThan(40);
    await pause(70);
    search.end();
    expect(() => shared.begin("a")).toThrow(expect.objectContaining({ code: "unreachable" }));
    expect(shared.begin("b").leftMs).toBeGreaterThan(40);
  });
});

test("a build may not bring more than it has, whichever tags bring it", () => {
  const shared = budget();
  shared.begin("a").spend(1, 90);
  expect(() => shared.begin("b").spend(1, 90)).toThrow("the tags of one build");
});

test("what does not count has half of it at most, of the tag's and of the build's, and takes no room of what may", () => {
  const shared = budget();
  const search = shared.begin("a");
  expect([search.hasRoom(5, 50), search.hasRoom(6, 1), search.hasRoom(1, 51)]).toEqual([true, false, false]);
  search.spend(4, 40);
  expect([search.hasRoom(1, 10), search.hasRoom(2, 10)]).toEqual([true, false]);
  search.spend(1, 35);
  expect(shared.begin("b").hasRoom(1, 1), "the build's half is gone").toBe(false);
});

test("a build may not hold more long lists of strangers than it has, and short ones always", () => {
  const shared = budget();
  for (let n = 0; n < 10; n++) shared.begin(`tag ${n}`).list(60_000);
  const { list } = shared.begin("one more");
  expect(() => list(60_000)).toThrow("lists more than 600000 entries for the tags of one build");
  expect(() => list(1_000)).not.toThrow();
});

test("searches at the same time take time once", async () => {
  const shared = budget();
  const both = [shared.begin("a"), shared.begin("b")];
  await pause(30);
  for (const search of both) search.end();
  for (const tag of ["c", "d", "e"]) {
    const search = shared.begin(tag);
    await pause(30);
    search.end();
  }
  expect(shared.begin("f").leftMs).toBeGreaterThan(0);
});

// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { Turns } from "../../src/courier/turns.ts";

const { signal } = new AbortController();

/** Work that ends when it is told to, and who had a place, in their order. */
function works() {
  const had: string[] = [];
  const ends: (() => void)[] = [];
  return {
    had,
    end: async () => {
      ends.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    },
    by: (who: string) => () => {
      had.push(who);
      return new Promise<void>((resolve) => ends.push(resolve));
    },
  };
}

test("who wants one place has it after the one that is waited for, however many another wants", async () => {
  const turns = new Turns(2);
  const { had, end, by } = works();
  for (let n = 0; n < 100; n++) void turns.take("padded", signal, by("padded"));
  void turns.take("one", signal, by("one"));
  void turns.take("two", signal, by("two"));
  for (let n = 0; n < 4; n++) await end();
  expect(had).toEqual(["padded", "padded", "padded", "one", "two"]);
});

test("who gives up keeps no place and does not wait for one", async () => {
  const turns = new Turns(1);
  const { had, end, by } = works();
  const over = new AbortController();
  void turns.take("first", signal, by("first"));
  const ended = turns.take("late", over.signal, async () => "without a place");
  over.abort();
  expect(await ended).toBe("without a place");
  void turns.take("next", signal, by("next"));
  expect(had).toEqual(["first"]);
  await end();
  expect(had).toEqual(["first", "next"]);
});

test("work that fails leaves its place", async () => {
  const turns = new Turns(1);
  await expect(turns.take("a", signal, () => Promise.reject(new Error("down")))).rejects.toThrow("down");
  expect(await turns.take("b", signal, async () => 1)).toBe(1);
});

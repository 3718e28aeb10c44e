// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { UsageError, readOptions } from "./options.ts";

test("without arguments, 15 rounds with one base image are timed", () => {
  expect(readOptions([])).toEqual({ rounds: 15, images: 1, json: false });
});

test("every option is read", () => {
  expect(
    readOptions(["--rounds", "3", "--images=10", "--upstream", "a/b:1", "--context", "x", "--json"]),
  ).toEqual({ rounds: 3, images: 10, upstream: "a/b:1", context: "x", json: true });
});

test.for([
  { args: ["--rounds", "0"], why: '--rounds is "0"' },
  { args: ["--rounds", "1001"], why: "1 to 1000" },
  { args: ["--images", "ten"], why: '--images is "ten"' },
  { args: ["--images"], why: "--images" },
  { args: ["--faster"], why: "--faster" },
  { args: ["stray"], why: "stray" },
])("$args is refused with the reason", ({ args, why }) => {
  expect(() => readOptions(args)).toThrow(UsageError);
  expect(() => readOptions(args)).toThrow(why);
});

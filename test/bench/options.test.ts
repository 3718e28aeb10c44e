// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { readOptions, readScaleOptions, UsageError } from "./options.ts";

test("without arguments, 15 rounds with one base image are timed", () => {
  expect(readOptions([])).toEqual({
    rounds: 15,
    images: [1],
    recording: false,
    json: false,
    writeDocs: false,
  });
});

test("every option is read, and the numbers of images are sorted, each once", () => {
  const args = ["--rounds", "3", "--images=10,1,10", "--upstream", "a/b:1", "--context", "x"];
  expect(readOptions([...args, "--json", "--recording", "--write-docs"])).toEqual({
    rounds: 3,
    images: [1, 10],
    recording: true,
    upstream: "a/b:1",
    context: "x",
    json: true,
    writeDocs: true,
  });
});

test.for([
  { args: ["--rounds", "0"], why: '--rounds is "0"' },
  { args: ["--rounds", "1001"], why: "1 to 1000" },
  { args: ["--images", "ten"], why: '--images is "ten"' },
  { args: ["--images", "1,,2"], why: '--images is ""' },
  { args: ["--images"], why: "--images" },
  { args: ["--faster"], why: "--faster" },
  { args: ["stray"], why: "stray" },
])("$args is refused with the reason", ({ args, why }) => {
  expect(() => readOptions(args)).toThrow(UsageError);
  expect(() => readOptions(args)).toThrow(why);
});

test("of the scales, all are measured or those that are named", () => {
  expect(readScaleOptions([], ["images"])).toEqual({ rounds: 3, json: false, writeDocs: false });
  expect(readScaleOptions(["--only", "images", "--rounds=1"], ["images"])).toMatchObject({
    only: ["images"],
    rounds: 1,
  });
  expect(() => readScaleOptions(["--only", "image"], ["images", "stages"])).toThrow(
    '--only names "image", which is none of "images", "stages"',
  );
});

// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { growth, summarize } from "./summary.ts";

test.for([
  { row: "an odd number of samples", samples: [9, 1, 10], median: 9, quartiles: [5, 9.5] },
  { row: "an even number of samples", samples: [4, 1, 10, 2], median: 3, quartiles: [1.75, 5.5] },
  { row: "one sample", samples: [7], median: 7, quartiles: [7, 7] },
])(
  "median and quartiles of $row are samples, or between the two nearest",
  ({ samples, median, quartiles }) => {
    expect(summarize(samples)).toEqual({
      median,
      quartiles,
      min: Math.min(...samples),
      max: Math.max(...samples),
    });
  },
);

test("nothing is summed up without samples", () => {
  expect(() => summarize([])).toThrow(RangeError);
});

test.for([
  ["linear", 1],
  ["quadratic", 2],
  ["constant", 0],
] as const)("what grows in a %s way has the exponent %d", ([, exponent]) => {
  const points = [1, 10, 50, 500].map((x) => [x, 3 * x ** exponent] as const);
  expect(growth(points)).toBeCloseTo(exponent, 10);
});

test("there is no exponent where there is no growth to see", () => {
  expect(growth([])).toBeUndefined();
  expect(growth([[0, 5]])).toBeUndefined();
  expect(
    growth([
      [3, 5],
      [3, 6],
    ]),
  ).toBeUndefined();
});

test("a point at zero, which has no logarithm, is left out", () => {
  const points = [
    [0, 7],
    [10, 10],
    [100, 100],
  ] as const;
  expect(growth(points)).toBeCloseTo(1, 10);
});

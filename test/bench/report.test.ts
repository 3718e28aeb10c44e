// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { jsonReport, summarize, textReport } from "./report.ts";

const results = {
  samples: {
    none: [300, 310, 290],
    upstream: [400, 420, 380],
    locked: [440, 430, 460],
    ledger: [462, 450, 470],
    ours: [500, 700, 480],
  },
  rounds: 3,
  images: 1,
  engine: "28.0.0",
  upstream: "example.test/frontend:1",
  cores: 2,
  load: [0.5, 1.25],
} as const;

test.for([
  { row: "an odd number of samples", samples: [9, 1, 10], median: 9 },
  { row: "an even number of samples", samples: [4, 1, 10, 2], median: 3 },
  { row: "one sample", samples: [7], median: 7 },
])("the median of $row is the middle one, or the mean of the two", ({ samples, median }) => {
  expect(summarize(samples)).toEqual({ median, min: Math.min(...samples), max: Math.max(...samples) });
});

test("nothing is summed up without samples", () => {
  expect(() => summarize([])).toThrow(RangeError);
});

test("the text shows medians and the ratios of medians", () => {
  expect(textReport(results)).toBe(`fully cached build, ms      median  min  max  over none
no syntax line                 300  290  310
upstream frontend              400  380  420       +100
tlog-dockerfile, lock file     440  430  460       +140
tlog-dockerfile, ledger        462  450  470       +162
tlog-dockerfile, log           500  480  700       +200

lock file / upstream  1.10
ledger / upstream     1.16
ledger / lock file    1.05
log / upstream        1.25
log / none            1.67
upstream / none       1.33

3 rounds in alternation, 1 base image, Docker Engine 28.0.0
upstream: example.test/frontend:1
2 cores, load average 0.5 before and 1.3 after
`);
});

test("the JSON has every sample and the same ratios", () => {
  expect(JSON.parse(jsonReport(results))).toMatchObject({
    rounds: 3,
    milliseconds: { ours: { median: 500, min: 480, max: 700 } },
    ratios: { lockedToUpstream: 1.1, ledgerToLocked: 1.05, oursToUpstream: 1.25 },
    samples: { ours: [500, 700, 480] },
  });
});

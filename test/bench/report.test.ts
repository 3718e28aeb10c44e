// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { KINDS, targetFor } from "./kinds.ts";
import { jsonReport, markdownReport, plotReport, type Results, textReport } from "./report.ts";

const traffic = [{ requests: 3, roundTrips: 2 }];
const measured = new Map(
  Object.entries({
    none: { samples: [300, 310, 290], traffic: [] },
    upstream: { samples: [400, 420, 380], traffic: [] },
    locked: { samples: [440, 430, 460], traffic: [] },
    ledger: { samples: [524, 500, 530], traffic: [] },
    remembered: { samples: [480, 470, 490], traffic: [] },
    log: { samples: [500, 700, 480], traffic: [] },
    "slow-log": { samples: [700, 690, 720], traffic },
  }),
);
const results: Results = {
  kinds: KINDS,
  tables: [
    { images: 1, measured },
    { images: 50, measured },
  ],
  rounds: 3,
  engine: "28.0.0",
  upstream: "BuildKit v0.1.0",
  machine: {
    cores: 2,
    processor: "Some CPU",
    memoryBytes: 8 * 2 ** 30,
    kernel: "6.1.0",
    node: "24.0.0",
    load: [0.5, 1.25],
    date: "2026-11-28",
    commit: "0123456789ab",
  },
};

const FOOT =
  "Measured on 2026-11-28, commit 0123456789ab: 2 cores (Some CPU), 8 GiB of memory, Linux 6.1.0, Node.js 24.0.0, Docker Engine 28.0.0, upstream frontend of BuildKit v0.1.0, 3 rounds in alternation, load average 0.5 before and 1.3 after.";

test("the text shows each kind beside the upstream frontend, and which targets are missed", () => {
  const [first, second, foot] = textReport(results).trimEnd().split("\n\n");
  expect(first)
    .toBe(`1 image, ms                     median   quartiles  min to max  / upstream        target  requests  round trips
no syntax line                     300  295 to 305  290 to 310        0.75
upstream frontend                  400  390 to 410  380 to 420        1.00
tlog-dockerfile, lock file         440  435 to 450  430 to 460        1.10          1.22
tlog-dockerfile, ledger            524  512 to 527  500 to 530        1.31  1.25, missed
tlog-dockerfile, remembered        480  475 to 485  470 to 490        1.20          1.30
tlog-dockerfile, log               500  490 to 600  480 to 700        1.25          1.50
tlog-dockerfile, log at 100 ms     700  695 to 710  690 to 720        1.75  500 + 200 ms         3            2`);
  expect(second).toMatch(/^50 images, ms .*\n(.*\n)*tlog-dockerfile, ledger .* 1\.30, missed\n/);
  expect(foot).toBe(FOOT);
});

test("with many images a little more is within the target, and the slow log's target stays", () => {
  const targets = (images: number) =>
    Object.fromEntries(KINDS.map((kind) => [kind.name, targetFor(kind, images)]));
  expect(targets(1)).toMatchObject({ locked: { toUpstream: 1.22 }, none: undefined });
  expect(targets(10)).toEqual(targets(1));
  expect(targets(50)).toMatchObject({ locked: { toUpstream: 1.27 }, "slow-log": { roundTrips: 2 } });
});

test("what is nearly two round trips above the log is within the target, and what is above is not", () => {
  const slower = new Map(measured).set("slow-log", { samples: [701], traffic });
  const table = { images: 1, measured: slower };
  expect(textReport({ ...results, tables: [table] })).toContain("500 + 200 ms, missed");
});

test("the page has the machine, the plot and a table for each number of images", () => {
  const page = markdownReport(results, "images/plot.svg");
  expect(page).toContain(`${FOOT}\n\n![`);
  expect(page).toContain("](images/plot.svg)\n\n| 1 image, ms | median |");
  expect(page).toContain(
    "| tlog-dockerfile, lock file | 440 | 435 to 450 | 430 to 460 | 1.10 | 1.22 |  |  |",
  );
  expect(page).toContain("\n\n| 50 images, ms | median |");
});

test("the plot has a row for each kind and number of images, and a mark for each target", () => {
  const svg = plotReport(results);
  expect(svg.match(/class="dot"/g)).toHaveLength(2 * KINDS.length);
  expect(svg.match(/class="target"/g)).toHaveLength(
    2 * KINDS.filter(({ target }) => target !== undefined).length,
  );
});

test("the JSON has every sample and the same ratios", () => {
  expect(JSON.parse(jsonReport(results))).toMatchObject({
    rounds: 3,
    machine: { cores: 2 },
    tables: [
      {
        images: 1,
        kinds: {
          log: {
            milliseconds: { median: 500, quartiles: [490, 600], min: 480, max: 700 },
            toUpstream: 1.25,
            target: "1.50",
            isTargetMet: true,
            samples: [500, 700, 480],
          },
          "slow-log": { requests: 3, roundTrips: 2 },
        },
      },
      { images: 50 },
    ],
  });
});

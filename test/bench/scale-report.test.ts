// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import {
  jsonScaleReport,
  MAX_PEAK_BYTES,
  scalePlots,
  scaleReport,
  type ScaleResults,
} from "./scale-report.ts";

const machine = {
  cores: 2,
  processor: "Some CPU",
  memoryBytes: 8 * 2 ** 30,
  kernel: "6.1.0",
  node: "24.0.0",
  load: [0.5, 1.25],
  date: "2026-11-28",
  commit: "0123456789ab",
} as const;

/** Builds of these sizes, whose time is this power of the size, above what a start takes. */
function results(power: number, change: Partial<{ peakBytes: number; refusal: string }> = {}): ScaleResults {
  const sizes = [1, 10, 100, 1_000].map((size) => {
    const cost = {
      milliseconds: 100 + (size - 1) ** power,
      processorMs: 50,
      peakBytes: 70e6,
      calls: 10 + size,
      requests: 0,
      unchanged: 1,
      ...(size === 1_000 && change),
    };
    return { size, costs: [cost], conversionMs: [90] };
  });
  const scale = { name: "images", title: "Images in one build", unit: "images" };
  return { scales: [{ scale, sizes }], rounds: 1, machine };
}

test("what grows with what it is given is linear, although a start costs something", () => {
  const report = scaleReport(results(1));
  expect(report).toContain("Growth, time: 1.00; processor: too little to fit; memory: too little to fit.");
  expect(report).toContain("it does in all of these");
});

test("what grows faster is pointed out", () => {
  expect(scaleReport(results(2))).toContain("time: 2.00 (more than linear)");
});

test("too much memory is pointed out, with the size", () => {
  const report = scaleReport(results(1, { peakBytes: MAX_PEAK_BYTES + 1e6 }));
  expect(report).toContain("it does not with 1,000 images: 151 MB");
});

test("a size that is refused has its reason, and is not part of the growth or the plots", () => {
  const given = results(1, { refusal: "too many images", peakBytes: 1e9 });
  const report = scaleReport(given);
  expect(report).toContain("| 1,000 (refused) |");
  expect(report).toContain('Refused with 1,000 images: "too many images".');
  expect(report).toContain("it does in all of these");
  expect(scalePlots(given).memory.match(/class="point/g)).toHaveLength(3);
});

test("the plots have a point for each size", () => {
  const { time, memory } = scalePlots(results(1));
  expect(time.match(/class="point/g)).toHaveLength(8);
  expect(memory.match(/class="point/g)).toHaveLength(4);
  expect(memory).toContain(">150 MB<");
});

test("the page has the plots under their addresses, and requests only where a log is asked", () => {
  const page = scaleReport(results(1), ["images/a.svg"]);
  expect(page).toContain("](images/a.svg)");
  expect(page).toContain("| images | ms | processor, ms | peak, MB | conversion, ms | calls |");
});

test("the JSON has every run and the growth", () => {
  expect(JSON.parse(jsonScaleReport(results(1)))).toMatchObject({
    scales: [
      {
        scale: "images",
        growth: { milliseconds: expect.closeTo(1, 5) as unknown },
        runs: [{ size: 1, conversionMs: [90] }, {}, {}, {}],
      },
    ],
  });
});

// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { linePlots, rangePlot } from "./plot.ts";

const range = { label: "lock file", low: 100, middle: 200, high: 300 };

/** The value of this attribute of the one element with this class. */
function attribute(svg: string, look: string, name: string): number {
  return Number(new RegExp(`class="${look}"[^>]* ${name}="([\\d.]+)"`).exec(svg)?.[1]);
}

test("a range is drawn to scale", () => {
  const svg = rangePlot({ title: "t", axis: "ms", groups: [{ label: "g", rows: [range] }] });
  const [from, to, middle] = [
    attribute(svg, "range", "x1"),
    attribute(svg, "range", "x2"),
    attribute(svg, "dot", "cx"),
  ];
  expect(to - middle).toBeCloseTo(middle - from, 0);
  expect(from).toBeLessThan(to);
  expect(svg).not.toContain('class="target"');
});

test("a target is within the picture, also where it is above everything", () => {
  const rows = [{ ...range, target: 900 }];
  const svg = rangePlot({ title: "t", axis: "ms", groups: [{ label: "g", rows }] });
  expect(attribute(svg, "target", "x1")).toBeLessThan(760);
  expect(svg).toContain(">900<");
});

test("what has a meaning in SVG is text in it", () => {
  const svg = rangePlot({ title: 'a < "b" & c', axis: "ms", groups: [{ label: "g", rows: [range] }] });
  expect(svg).toContain('aria-label="a &lt; &quot;b&quot; &amp; c"');
  expect(svg).not.toContain("a < ");
});

test("it is read in the light and in the dark", () => {
  const svg = rangePlot({ title: "t", axis: "ms", groups: [{ label: "g", rows: [range] }] });
  expect(svg).toContain("@media (prefers-color-scheme: dark)");
});

test("lines have a point for each value, and none for what has no logarithm", () => {
  const svg = linePlots("t", [
    {
      title: "images",
      x: "images",
      y: "ms",
      series: [
        {
          label: "a",
          points: [
            [0, 5],
            [1, 10],
            [100, 1_000],
          ],
        },
        { label: "b", points: [[1, 20]] },
      ],
      limit: { label: "150 MB", y: 150 },
    },
  ]);
  expect(svg.match(/class="point s0"/g)).toHaveLength(2);
  expect(svg.match(/class="point s1"/g)).toHaveLength(1);
  expect(svg).toContain(">150 MB<");
  expect(svg).toContain(">1,000<");
  expect(svg).not.toContain("NaN");
});

test("a plot of nothing is a plot", () => {
  expect(linePlots("t", [{ title: "p", x: "x", y: "y", series: [] }])).not.toContain("NaN");
});

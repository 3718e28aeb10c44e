// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { type ProgressDisplay, showProgress } from "../../src/program/progress.ts";

/** A stream that keeps what is written, and a clock that stands until it is moved. */
function display(stream: { isTTY?: boolean; columns?: number }, quiet = false) {
  let ms = 5_000;
  let written = "";
  const write = (text: string) => void (written += text);
  const shown: ProgressDisplay = showProgress({ ...stream, write }, { now: () => ms, quiet });
  return {
    ...shown,
    write,
    at(passed: number, done: number, total: number) {
      ms = 5_000 + passed;
      shown.update({ done, total });
    },
    taken() {
      const text = written;
      written = "";
      return text;
    },
  };
}

describe("on a terminal, one line", () => {
  test("is redrawn with bar, rate and time left, and taken away at the end", () => {
    const bar = display({ isTTY: true, columns: 80 });
    bar.at(0, 0, 100);
    expect(bar.taken()).toBe(`\r[${".".repeat(40)}] 0% 0 of 100 tags\u001b[K`);
    bar.at(10_000, 50, 100);
    expect(bar.taken()).toBe(
      `\r[${"#".repeat(20)}${".".repeat(20)}] 50% 50 of 100 tags, 5.0/s, 10 s left\u001b[K`,
    );
    bar.end();
    expect(bar.taken()).toBe("\r\u001b[K");
    bar.at(20_000, 100, 100);
    bar.end();
    expect(bar.taken()).toBe("");
  });

  test("is redrawn ten times a second at most", () => {
    const bar = display({ isTTY: true });
    bar.at(0, 1, 1_000);
    bar.taken();
    bar.at(99, 2, 1_000);
    expect(bar.taken()).toBe("");
    bar.at(100, 3, 1_000);
    expect(bar.taken()).toContain("3 of 1000");
  });

  test.for([1, 5, 20, 34, 40, 60, 79, 80, 81, 300])("is never as wide as %i columns", (columns) => {
    const bar = display({ isTTY: true, columns });
    bar.at(7_200_000, 1_234, 99_999);
    const text = bar.taken().replace("\r", "").replace("\u001b[K", "");
    expect(text.length).toBeLessThan(columns);
    expect(text.includes("[")).toBe(columns >= 60);
  });

  test("makes way for other lines", () => {
    const bar = display({ isTTY: true, columns: 80 });
    bar.aside(() => bar.write("early\n"));
    expect(bar.taken()).toBe("early\n");
    bar.at(0, 1, 2);
    const drawn = bar.taken();
    bar.aside(() => bar.write("event\n"));
    expect(bar.taken()).toBe(`\r\u001b[Kevent\n${drawn}`);
    bar.end();
    bar.taken();
    bar.aside(() => bar.write("late\n"));
    expect(bar.taken()).not.toContain("2 tags");
  });

  test("knows no share of nothing, and none above the whole", () => {
    const bar = display({ isTTY: true, columns: 80 });
    bar.at(0, 0, 0);
    expect(bar.taken()).toContain("] 0% 0 of 0 tags");
    bar.at(5_000, 3, 2);
    expect(bar.taken()).toContain("] 100% 3 of 2 tags, 0.6/s\u001b");
  });

  test("says times in the two largest units", () => {
    const left = (total: number) => {
      const bar = display({ isTTY: true, columns: 80 });
      bar.at(1_000, 1, total);
      return bar.taken();
    };
    expect(left(60)).toContain(", 59 s left");
    expect(left(201)).toContain(", 3 min 20 s left");
    expect(left(7_501)).toContain(", 2 h 5 min left");
  });
});

describe("elsewhere, a line now and then", () => {
  test("for each tenth, when tenths take their time", () => {
    const lines = display({});
    lines.at(1_000, 50, 100);
    expect(lines.taken()).toBe("");
    lines.at(6_000, 60, 100);
    expect(lines.taken()).toBe("60% 60 of 100 tags, 10.0/s, 4 s left\n");
    lines.at(12_000, 69, 100);
    expect(lines.taken()).toBe("");
    lines.at(13_000, 70, 100);
    expect(lines.taken()).toBe("70% 70 of 100 tags, 5.4/s, 6 s left\n");
  });

  test("every 30 seconds, however slow it is; and none without control characters", () => {
    const lines = display({});
    lines.at(29_999, 1, 1_000);
    lines.at(30_000, 1, 1_000);
    lines.at(59_000, 2, 1_000);
    lines.aside(() => lines.write("event\n"));
    lines.at(60_000, 2, 1_000);
    lines.end();
    lines.at(95_000, 2, 1_000);
    expect(lines.taken()).toBe(
      "0% 1 of 1000 tags, 0.0/s, 8 h 19 min left\nevent\n0% 2 of 1000 tags, 0.0/s, 8 h 19 min left\n",
    );
  });
});

test("quietly, nothing but the other lines", () => {
  const nothing = display({ isTTY: true }, true);
  nothing.at(0, 1, 2);
  nothing.aside(() => nothing.write("event\n"));
  nothing.at(60_000, 2, 2);
  nothing.end();
  expect(nothing.taken()).toBe("event\n");
});

// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { KINDS } from "./kinds.ts";
import { phasesIn, phaseTable } from "./phases.ts";

const output = `#6 [tlog] trace 0.0 to 50.5 ms (50.5): Node starts
#6 DONE 0.0s
#7 [tlog] trace 60.0 to 70.0 ms (10.0): BuildKit answers Solve
#8 [tlog] trace 65.0 to 71.0 ms (6.0): BuildKit answers Solve
#9 [tlog] trace 80.0 to 99.0 ms (19.0): 198.18.1.2:5000/bench/base-1:1.0 is judged
#9 [tlog] 198.18.1.2:5000/bench/base-1:1.0 unchanged since 2026-11-28
`;

test("the phases of a build are read from its progress", () => {
  expect(phasesIn(output)).toEqual([
    { name: "Node starts", from: 0, to: 50.5 },
    { name: "BuildKit answers Solve", from: 60, to: 70 },
    { name: "BuildKit answers Solve, 2", from: 65, to: 71 },
    { name: "the image is judged", from: 80, to: 99 },
  ]);
});

test("the table has the medians of several builds", () => {
  const slower = output.replaceAll("99.0 ms", "101.0 ms");
  const [, , locked] = KINDS;
  if (locked === undefined) throw new Error("there is no such kind");
  const table = phaseTable(locked, [phasesIn(output), phasesIn(slower)]);
  expect(table).toContain("| tlog-dockerfile, lock file, ms | from | to | took |");
  expect(table).toContain("| the image is judged | 80 | 100 | 20 |");
});

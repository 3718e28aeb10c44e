// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { isRecheckDue } from "../../src/policy/policy.ts";

const TODAY = "2026-11-21";

test.for([
  { row: "never, whenever it was checked", recheck: "never", checked: undefined, due: false },
  { row: "always, also when it was checked today", recheck: "always", checked: TODAY, due: true },
  { row: "daily, and it was checked today", recheck: "daily", checked: TODAY, due: false },
  { row: "daily, and it was checked yesterday", recheck: "daily", checked: "2026-11-20", due: true },
  {
    row: "daily, and it says tomorrow, which nobody can know",
    recheck: "daily",
    checked: "2026-11-22",
    due: true,
  },
  { row: "daily, and it does not say", recheck: "daily", checked: undefined, due: true },
] as const)("$row: $due", ({ recheck, checked, due }) => {
  expect(isRecheckDue(recheck, { checked, today: TODAY })).toBe(due);
});

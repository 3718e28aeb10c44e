// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { inLogOrder } from "../../src/record/history.ts";

/** `A7@100`: index 7 of log A at second 100. */
function read(text: string) {
  const [, logId = "", index = "", second = ""] = /^([A-Z])(\d+)@(\d+)$/.exec(text) ?? [];
  return { text, logId, logIndex: BigInt(index), loggedAt: new Date(Number(second) * 1000) };
}

function order(entries: readonly string[]): string {
  return inLogOrder(entries.map(read))
    .map(({ text }) => text)
    .join(" ");
}

describe("entries are in log order", () => {
  test.for<{ row: string; inOrder: string }>([
    { row: "of one log, by index", inOrder: "A1@10 A2@20 A3@30" },
    { row: "of one log in one second, by index", inOrder: "A9@10 A10@10 A11@10" },
    { row: "of one log whose clock was set back", inOrder: "A1@100 A2@50 A3@60 A4@200" },
    { row: "of two logs, by time", inOrder: "B900@10 A1@20 B901@30 A2@40" },
    { row: "of two logs at the same instant, by the logs' IDs", inOrder: "A5@10 A6@10 B1@10 B2@10" },
    {
      row: "of two logs, one of whose clocks was set back: not before what it had already",
      inOrder: "B1@70 A1@100 A2@50 B2@150",
    },
    { row: "of three logs", inOrder: "C4@1 A7@2 B1@3 A8@4 C5@5" },
  ])("$row", ({ inOrder }) => {
    const entries = inOrder.split(" ");
    expect(order(entries)).toBe(inOrder);
    expect(order(entries.toReversed())).toBe(inOrder);
    expect(order(entries.toSorted())).toBe(inOrder);
  });
});

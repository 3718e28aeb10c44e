// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import type { Digest } from "../../src/image/digest.ts";
import { parseReference } from "../../src/image/reference.ts";
import { latest, readHistory, standing } from "../../src/record/history.ts";
import type { Permission, Trust } from "../../src/record/signer.ts";
import { foundEntries, sampleKey, type SampleKey, sampleLog, sighting } from "./sample-log.ts";

const [A, B, C, D] = ["aa", "bb", "cc", "dd"].map((byte): Digest => `sha256:${byte.repeat(32)}`) as [
  Digest,
  Digest,
  Digest,
  Digest,
];
const NAMES = new Map<string, string>([
  [A, "A"],
  [B, "B"],
  [C, "C"],
  [D, "D"],
]);
const nameOf = ({ digest }: { digest: string }): string => NAMES.get(digest) ?? "?";

const recorder = sampleKey();
const approver = sampleKey();
const owner = sampleKey();
const observer = sampleKey();
const may = ({ signer }: SampleKey, ...permissions: Permission[]): Trust => ({
  signer,
  may: new Set(permissions),
});
const trust = [
  may(recorder, "record"),
  may(approver, "approve"),
  may(owner, "record"),
  may(owner, "approve"),
  may(observer, "vouch"),
];

/** What somebody wrote: the digest seen, and the one it is to supersede. */
type Line = readonly [SampleKey, Digest, Digest?];

function historyOf(lines: readonly Line[]): ReturnType<typeof readHistory> {
  const log = sampleLog();
  const entries = lines.map(([key, digest, supersedes]) =>
    log.record(sighting({ digest, ...(supersedes !== undefined && { supersedes }) }), key),
  );
  const context = { subject: parseReference("alpine:3.16.0"), trust, trustedRoot: log.trustedRoot };
  return readHistory(foundEntries(log, entries), context);
}

describe("what stands for a tag", () => {
  test.for<{ row: string; lines: readonly Line[]; stands?: string; before?: string }>([
    { row: "nothing, without records", lines: [] },
    {
      row: "the first sighting, whatever is seen later",
      lines: [
        [recorder, A],
        [owner, B],
      ],
      stands: "A",
    },
    { row: "nothing by who may only vouch", lines: [[observer, A]] },
    { row: "nothing by who may only approve", lines: [[approver, A]] },
    {
      row: "the first sighting by who may record, after others",
      lines: [
        [observer, A],
        [approver, B],
        [recorder, C],
      ],
      stands: "C",
    },
    {
      row: "what was approved",
      lines: [
        [recorder, A],
        [approver, B, A],
      ],
      stands: "B",
      before: "A",
    },
    {
      row: "the end of a chain of approvals",
      lines: [
        [recorder, A],
        [approver, B, A],
        [owner, C, B],
      ],
      stands: "C",
      before: "AB",
    },
    {
      row: "what stood before, when that is approved again",
      lines: [
        [recorder, A],
        [approver, B, A],
        [approver, A, B],
      ],
      stands: "A",
      before: "AB",
    },
    {
      row: "what stood, when a recorder approves",
      lines: [
        [recorder, A],
        [recorder, B, A],
      ],
      stands: "A",
    },
    {
      row: "what stood, when somebody who may only vouch approves",
      lines: [
        [recorder, A],
        [observer, B, A],
      ],
      stands: "A",
    },
    {
      row: "what stood, when another digest is superseded",
      lines: [
        [recorder, A],
        [approver, B, C],
      ],
      stands: "A",
    },
    {
      row: "what stood, when it is approved itself",
      lines: [
        [recorder, A],
        [approver, A, A],
      ],
      stands: "A",
    },
    {
      row: "the earlier of two approvals at once",
      lines: [
        [recorder, A],
        [approver, B, A],
        [owner, C, A],
      ],
      stands: "B",
      before: "A",
    },
    {
      row: "an approval that the log had before the sighting it supersedes, alone",
      lines: [
        [approver, B, A],
        [recorder, A],
      ],
      stands: "B",
    },
    {
      row: "the first sighting, after an approval by who may not",
      lines: [
        [recorder, B, A],
        [recorder, A],
      ],
      stands: "A",
    },
    {
      row: "what is approved later, after two approvals at once",
      lines: [
        [recorder, A],
        [approver, B, A],
        [owner, C, A],
        [owner, D, B],
      ],
      stands: "D",
      before: "AB",
    },
  ])("$row", ({ lines, stands, before = "" }) => {
    const result = standing(historyOf(lines));
    expect(result && nameOf(result.record)).toBe(stands);
    expect(result?.superseded.map(nameOf).join("") ?? "").toBe(before);
  });
});

describe("what a tag that is followed names", () => {
  test.for<{ row: string; lines: readonly Line[]; newest: string | undefined }>([
    { row: "nothing, without records", lines: [], newest: undefined },
    {
      row: "what was seen last",
      lines: [
        [recorder, A],
        [owner, B],
        [recorder, C],
      ],
      newest: "C",
    },
    {
      row: "what was seen last by who may record",
      lines: [
        [recorder, A],
        [observer, B],
        [approver, C],
      ],
      newest: "A",
    },
    {
      row: "what was approved last",
      lines: [
        [recorder, A],
        [approver, B, A],
      ],
      newest: "B",
    },
    {
      row: "what was seen before, when who may not approves",
      lines: [
        [recorder, A],
        [observer, B, A],
      ],
      newest: "A",
    },
  ])("$row", ({ lines, newest }) => {
    const record = latest(historyOf(lines));
    expect(record && nameOf(record)).toBe(newest);
  });
});

test("who is trusted twice may do what either says", () => {
  const [record] = historyOf([[owner, A]]).records;
  expect(record?.may).toEqual(new Set(["record", "approve"]));
});

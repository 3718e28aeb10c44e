// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { decide, type Lookup, refuses, type Verdict } from "../../src/check/verdict.ts";
import { parseReference } from "../../src/image/reference.ts";
import { readHistory, standing } from "../../src/record/history.ts";
import {
  ALPINE,
  DIGEST,
  foundEntries,
  OTHER_DIGEST,
  sampleKey,
  sampleLog,
  sighting,
  trusting,
} from "../record/sample-log.ts";
import { samplePolicy } from "./sample-courier.ts";

const key = sampleKey();
const log = sampleLog();
const history = readHistory(foundEntries(log, [log.record(sighting(), key)]), {
  subject: parseReference(ALPINE),
  trust: trusting(key.signer),
  trustedRoot: log.trustedRoot,
});
const record = standing(history)?.record;
if (record === undefined) throw new Error("the sample is no record");
const found: Lookup = { kind: "found", standing: record };
const none: Lookup = { kind: "none" };
const failed: Lookup = { kind: "failed", detail: "no answer" };

describe("the verdict on an image", () => {
  test.for<{ row: string; image: string; lookup: Lookup; verdict: object }>([
    {
      row: "recorded and the same",
      image: `${ALPINE}@${DIGEST}`,
      lookup: found,
      verdict: { kind: "unchanged", record },
    },
    {
      row: "recorded and another",
      image: `${ALPINE}@${OTHER_DIGEST}`,
      lookup: found,
      verdict: { kind: "moved", record },
    },
    { row: "never recorded", image: `${ALPINE}@${DIGEST}`, lookup: none, verdict: { kind: "unseen" } },
    {
      row: "nobody could be asked",
      image: `${ALPINE}@${DIGEST}`,
      lookup: failed,
      verdict: { kind: "unknown", detail: "no answer" },
    },
    { row: "by digest alone", image: `alpine@${DIGEST}`, lookup: none, verdict: { kind: "by-digest" } },
    {
      row: "by digest alone, whatever was found",
      image: `alpine@${DIGEST}`,
      lookup: failed,
      verdict: { kind: "by-digest" },
    },
    { row: "without a digest", image: ALPINE, lookup: none, verdict: { kind: "unpinned", detail: "" } },
    {
      row: "without a digest, whatever was found",
      image: ALPINE,
      lookup: found,
      verdict: { kind: "unpinned", detail: "" },
    },
  ])("$row", ({ image, lookup, verdict }) => {
    expect(decide(parseReference(image), lookup)).toEqual(verdict);
  });
});

describe("what stops a build", () => {
  const unrecorded: Verdict = { kind: "unrecorded", reason: "no-signer", detail: "" };
  test.for<{
    verdict: Verdict;
    unseen: "allow" | "record" | "block";
    unknown: "warn" | "block";
    stops: boolean;
  }>([
    { verdict: { kind: "unchanged", record }, unseen: "block", unknown: "block", stops: false },
    { verdict: { kind: "first-seen", record }, unseen: "record", unknown: "block", stops: false },
    { verdict: { kind: "by-digest" }, unseen: "block", unknown: "block", stops: false },
    { verdict: { kind: "moved", record }, unseen: "allow", unknown: "warn", stops: true },
    { verdict: { kind: "unpinned", detail: "" }, unseen: "allow", unknown: "warn", stops: true },
    { verdict: { kind: "unknown", detail: "" }, unseen: "allow", unknown: "warn", stops: false },
    { verdict: { kind: "unknown", detail: "" }, unseen: "allow", unknown: "block", stops: true },
    { verdict: unrecorded, unseen: "allow", unknown: "block", stops: false },
    { verdict: unrecorded, unseen: "record", unknown: "block", stops: false },
    { verdict: unrecorded, unseen: "block", unknown: "warn", stops: true },
  ])(
    "$verdict.kind with unseen: $unseen, unknown: $unknown -> $stops",
    ({ verdict, unseen, unknown, stops }) => {
      expect(refuses(verdict, samplePolicy({ default: { unseen, unknown } }))).toBe(stops);
    },
  );
});

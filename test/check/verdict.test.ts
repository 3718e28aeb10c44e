// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { decide, type Lookup, type Question } from "../../src/check/verdict.ts";
import { type Digest, parseDigest } from "../../src/image/digest.ts";
import { parseReference } from "../../src/image/reference.ts";
import { readHistory, standing } from "../../src/record/history.ts";
import type { Trust } from "../../src/record/signer.ts";
import { ALPINE, OBSERVED, sampleKey, sampleLog, sighting } from "../record/sample-log.ts";
import { sampleRule } from "./sample-courier.ts";

const [A, B, C] = ["a0", "b0", "c0"].map((byte) => parseDigest(`sha256:${byte.repeat(32)}`)) as [
  Digest,
  Digest,
  Digest,
];
const recorder = sampleKey();
const approver = sampleKey();
const observer = sampleKey();
const TRUST: readonly Trust[] = [
  { signer: recorder.signer, may: new Set(["record"]) },
  { signer: approver.signer, may: new Set(["record", "approve"]) },
  { signer: observer.signer, may: new Set(["vouch"]) },
];
const SIGNERS = { recorder, approver, observer };

/** What somebody logged, a day after what stands before it. */
interface Logged {
  readonly digest: Digest;
  readonly by?: keyof typeof SIGNERS;
  readonly supersedes?: Digest;
}

const DAY_MS = 24 * 60 * 60 * 1000;

function found(...entries: readonly Logged[]): Lookup {
  const log = sampleLog();
  const logged = entries.map(({ digest, by = "recorder", supersedes }, day) => {
    const observedAt = new Date(OBSERVED.getTime() + day * DAY_MS);
    log.now = new Date(observedAt.getTime() + 2000);
    return log.record(sighting({ digest, observedAt, ...(supersedes && { supersedes }) }), SIGNERS[by]);
  });
  const history = readHistory(
    logged.map((entry) => ({ kind: "entry", ...log.found(entry) })),
    { subject: parseReference(ALPINE), trust: TRUST, trustedRoot: log.trustedRoot },
  );
  const stands = standing(history);
  return { history, ...(stands && { standing: stands }) };
}

function unread({ history, ...lookup }: Lookup): Lookup {
  return { ...lookup, history: { ...history, rejected: new Map([["unread", 1]]) } };
}

const none: Lookup = { history: { records: [], rejected: new Map(), foreign: [] } };
const failed: Lookup = { ...none, failure: { reason: "unreachable", detail: "no answer" } };
const recorded = found({ digest: A });
const approved = found({ digest: A }, { digest: B, by: "approver", supersedes: A });
const followed = found({ digest: A }, { digest: B }, { digest: C });

describe("the verdict on an image", () => {
  test.for<{
    row: string;
    image?: string;
    lookup: Lookup;
    rule?: Parameters<typeof sampleRule>[0];
    claimed?: boolean;
    /** Days after the first sighting. */
    day?: number;
    verdict: object;
  }>([
    {
      row: "recorded and the same",
      lookup: recorded,
      verdict: { kind: "unchanged", record: { digest: A } },
    },
    {
      row: "recorded and another",
      image: `${ALPINE}@${B}`,
      lookup: recorded,
      verdict: { kind: "moved", record: { digest: A } },
    },
    { row: "never recorded", lookup: none, verdict: { kind: "unseen" } },
    { row: "nobody could be asked", lookup: failed, verdict: { kind: "unknown", ...failed.failure } },
    { row: "by digest alone", image: `alpine@${A}`, lookup: none, verdict: { kind: "by-digest" } },
    {
      row: "by digest alone, whatever was found",
      image: `alpine@${A}`,
      lookup: failed,
      verdict: { kind: "by-digest" },
    },
    { row: "without a digest", image: ALPINE, lookup: none, verdict: { kind: "unpinned", detail: "" } },
    {
      row: "without a digest, whatever was found",
      image: ALPINE,
      lookup: recorded,
      verdict: { kind: "unpinned", detail: "" },
    },
    {
      row: "exempt by the policy, whatever was found",
      image: `${ALPINE}@${B}`,
      lookup: recorded,
      rule: { action: "ignore" },
      verdict: { kind: "exempt" },
    },
    {
      row: "exempt by the policy, without a digest",
      image: ALPINE,
      lookup: none,
      rule: { action: "ignore" },
      verdict: { kind: "exempt" },
    },
    {
      row: "recorded and the same, beside an entry that could not be read",
      lookup: unread(recorded),
      verdict: { kind: "unchanged", record: { digest: A } },
    },
    {
      row: "recorded and another, beside an entry that could not be read",
      image: `${ALPINE}@${B}`,
      lookup: unread(recorded),
      verdict: { kind: "unknown", reason: "unreachable" },
    },
    {
      row: "never recorded, beside an entry that could not be read",
      lookup: unread(none),
      verdict: { kind: "unknown", reason: "unreachable" },
    },
    {
      row: "what was approved",
      image: `${ALPINE}@${B}`,
      lookup: approved,
      verdict: { kind: "unchanged", record: { digest: B, supersedes: A } },
    },
    {
      row: "what was superseded by an approval: back to it the tag has moved",
      lookup: approved,
      verdict: { kind: "moved", record: { digest: B } },
    },
    {
      row: "what was superseded, named with its digest: it may be built for ever",
      lookup: approved,
      claimed: true,
      verdict: { kind: "unchanged", record: { digest: A }, note: "superseded" },
    },
    {
      row: "named with a digest that the tag never had",
      image: `${ALPINE}@${C}`,
      lookup: approved,
      claimed: true,
      verdict: { kind: "moved", record: { digest: B } },
    },
    {
      row: "a second sighting of another image changes nothing",
      image: `${ALPINE}@${B}`,
      lookup: followed,
      verdict: { kind: "moved", record: { digest: A } },
    },
    {
      row: "nor does one that was named with its digest: it never stood",
      image: `${ALPINE}@${B}`,
      lookup: followed,
      claimed: true,
      verdict: { kind: "moved", record: { digest: A } },
    },
    {
      row: "a followed tag, as it was seen last",
      image: `${ALPINE}@${C}`,
      lookup: followed,
      rule: { action: "follow" },
      verdict: { kind: "unchanged", record: { digest: C } },
    },
    {
      row: "a followed tag that went back",
      lookup: followed,
      rule: { action: "follow" },
      verdict: { kind: "moved", record: { digest: C } },
    },
    {
      row: "a followed tag, named with a digest that it had",
      image: `${ALPINE}@${B}`,
      lookup: followed,
      rule: { action: "follow" },
      claimed: true,
      verdict: { kind: "unchanged", record: { digest: B }, note: "superseded" },
    },
    {
      row: "younger than the policy wants",
      lookup: recorded,
      rule: { minAge: { days: 7, otherwise: "block" } },
      day: 6.99,
      verdict: {
        kind: "too-new",
        record: { digest: A },
        until: new Date(OBSERVED.getTime() + 7 * DAY_MS + 2000),
      },
    },
    {
      row: "as old as the policy wants",
      lookup: recorded,
      rule: { minAge: { days: 7, otherwise: "block" } },
      day: 7.01,
      verdict: { kind: "unchanged", record: { digest: A } },
    },
    {
      row: "young, and an observer vouches for it",
      lookup: found({ digest: A }, { digest: A, by: "observer" }),
      rule: { minAge: { days: 7, otherwise: "block" } },
      day: 1.5,
      verdict: { kind: "unchanged", record: { digest: A } },
    },
    {
      row: "young, and an observer vouches for another image",
      lookup: found({ digest: A }, { digest: B, by: "observer" }),
      rule: { minAge: { days: 7, otherwise: "block" } },
      day: 1.5,
      verdict: { kind: "too-new", record: { digest: A } },
    },
    {
      row: "a young approval is somebody's word for it",
      image: `${ALPINE}@${B}`,
      lookup: approved,
      rule: { minAge: { days: 7, otherwise: "block" } },
      day: 1.5,
      verdict: { kind: "unchanged", record: { digest: B } },
    },
    {
      row: "another image than the recorded one has no age",
      image: `${ALPINE}@${B}`,
      lookup: recorded,
      rule: { minAge: { days: 7, otherwise: "warn" } },
      day: 1,
      verdict: { kind: "moved", record: { digest: A } },
    },
  ])("$row", ({ image = `${ALPINE}@${A}`, lookup, rule = {}, claimed = false, day = 30, verdict }) => {
    const question: Question = {
      reference: parseReference(image),
      rule: sampleRule(rule),
      claimed,
      now: new Date(OBSERVED.getTime() + day * DAY_MS),
    };
    expect(decide(question, lookup)).toMatchObject(verdict);
    expect("note" in decide(question, lookup)).toBe("note" in verdict);
  });

  test("an observer's sightings let no tag stand", () => {
    expect(found({ digest: A, by: "observer" })).not.toHaveProperty("standing");
  });
});

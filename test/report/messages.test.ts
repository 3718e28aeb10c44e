// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import type { Judgement } from "../../src/check/check.ts";
import type { Verdict } from "../../src/check/verdict.ts";
import { excerpt } from "../../src/log/excerpt.ts";
import { parseReference } from "../../src/image/reference.ts";
import { readHistory, standing } from "../../src/record/history.ts";
import { parseIdentity } from "../../src/record/signer.ts";
import { progressLine, refusalMessage } from "../../src/report/messages.ts";
import { foundEntries, sampleKey, sampleLog, sighting, trusting } from "../record/sample-log.ts";

const ALPINE = "docker.io/library/alpine:3.16.0";
const GOT = `sha256:${"22".repeat(32)}` as const;
const WANT = `sha256:${"c8".repeat(32)}` as const;
const NO_ANSWER = "POST https://rekor.example.org/api/v1/index/retrieve: connect ECONNREFUSED";
const record = sampleRecord();

/** A record with everything in it that differs from run to run set to what the golden file has. */
function sampleRecord(): Extract<Verdict, { kind: "moved" }>["record"] {
  const log = sampleLog();
  const key = sampleKey();
  const found = standing(
    readHistory(foundEntries(log, [log.record(sighting({ digest: WANT }), key)]), {
      subject: parseReference(ALPINE),
      trust: trusting(key.signer),
      trustedRoot: log.trustedRoot,
    }),
  )?.record;
  if (found === undefined) throw new Error("the sample is no record");
  return {
    ...found,
    uuid: "24296fb24b8ad77a".padEnd(80, "362f8ecb"),
    logIndex: 2_787_137n,
    loggedAt: new Date("2022-06-28T13:30:02Z"),
    signer: { ...key.signer, fingerprint: `sha256:${"ab12cd34".repeat(8)}` },
  };
}

function judgement(verdict: Verdict, change: Partial<Judgement> & { image?: string } = {}): Judgement {
  const { image = `${ALPINE}@${GOT}`, ...rest } = change;
  return { reference: parseReference(image), verdict, refused: true, rejected: new Map(), ...rest };
}

const CI = parseIdentity({ issuer: "https://accounts.google.com", identity: "ci@acme.example" });

/** Every row of the table, with everything that changes its text. */
const CASES: Readonly<Record<string, Judgement>> = {
  unchanged: judgement({ kind: "unchanged", record }, { image: `${ALPINE}@${WANT}`, refused: false }),
  "unchanged, with entries that do not count": judgement(
    { kind: "unchanged", record },
    {
      image: `${ALPINE}@${WANT}`,
      refused: false,
      rejected: new Map([
        ["untrusted-signer", 12],
        ["malformed", 1],
      ]),
    },
  ),
  "first-seen": judgement({ kind: "first-seen", record }, { image: `${ALPINE}@${WANT}`, refused: false }),
  "first-seen, signed by an identity": judgement(
    { kind: "first-seen", record: { ...record, signer: CI } },
    { image: `${ALPINE}@${WANT}`, refused: false },
  ),
  moved: judgement({ kind: "moved", record }),
  "moved, recorded by an identity": judgement({ kind: "moved", record: { ...record, signer: CI } }),
  "moved, latest of a registry with a port": judgement(
    { kind: "moved", record },
    { image: `localhost:5000/team/app:latest@${GOT}` },
  ),
  "moved, with an entry that does not count": judgement(
    { kind: "moved", record },
    { rejected: new Map([["untrusted-signer", 1]]) },
  ),
  "unrecorded, nothing to sign with": judgement({ kind: "unrecorded", reason: "no-signer", detail: "" }),
  "unrecorded, by policy": judgement({ kind: "unrecorded", reason: "policy", detail: "" }),
  "unrecorded, not public": judgement({
    kind: "unrecorded",
    reason: "not-public",
    detail: 'GET https://registry-1.docker.io/v2/…: status 401: "…" does not exist or needs credentials',
  }),
  "unrecorded, the registry differs": judgement({
    kind: "unrecorded",
    reason: "registry-differs",
    detail: WANT,
  }),
  "unrecorded, and let through": judgement(
    { kind: "unrecorded", reason: "no-signer", detail: "" },
    { refused: false },
  ),
  "unrecorded by policy, and let through": judgement(
    { kind: "unrecorded", reason: "policy", detail: "" },
    { refused: false },
  ),
  "by-digest": judgement({ kind: "by-digest" }, { image: `alpine@${GOT}`, refused: false }),
  unpinned: judgement({ kind: "unpinned", detail: "" }, { image: "localhost:5000/team/app:1" }),
  "unpinned, with a reason": judgement(
    { kind: "unpinned", detail: "it is in the local image store only" },
    { image: "team/app" },
  ),
  unknown: judgement({ kind: "unknown", detail: NO_ANSWER }),
  "unknown, and let through": judgement({ kind: "unknown", detail: NO_ANSWER }, { refused: false }),
};

/** What people see of it: a refused image in the error that ends the build, any other in the progress. */
function shownLines(each: Judgement): string[] {
  return each.refused ? refusalMessage([each]).split("\n") : [progressLine(each)];
}

test("every verdict's texts are what they were", async () => {
  const rendered = Object.entries(CASES).map(([name, each]) =>
    [`## ${name}`, ...shownLines(each)].join("\n"),
  );
  await expect(`${rendered.join("\n\n")}\n`).toMatchFileSnapshot("messages.golden.txt");
});

test("several refused images are one error, in their order, each with its own lines below it", () => {
  const { moved, unpinned, unknown } = CASES;
  if (!moved || !unpinned || !unknown) throw new Error("a case is missing");
  const text = refusalMessage([moved, unpinned, unknown]);
  expect(text).toBe([moved, unpinned, unknown].map((each) => refusalMessage([each])).join("\n"));
  const heads = text.split("\n").filter((line) => !line.startsWith("  "));
  expect(heads).toEqual([
    expect.stringMatching(/^tag ".*alpine:3.16.0" mismatch; got "sha256:2222.*", want "sha256:c8c8.*"$/),
    expect.stringMatching(/^image "localhost:5000\/team\/app:1" cannot be judged/),
    expect.stringMatching(/^tag ".*alpine:3.16.0" could not be checked/),
  ]);
});

describe("every text fits a terminal", () => {
  test.for(Object.entries(CASES))("%s", ([, each]) => {
    for (const line of shownLines(each)) {
      expect(line.length).toBeLessThanOrEqual(400);
      expect(line).toBe(line.trimEnd());
      expect(line).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      expect(line).not.toContain("undefined");
      expect(line).not.toMatch(/\.$/);
    }
  });
});

test("digests are whole in all of them, and what is advised can be pasted", () => {
  const { moved } = CASES;
  if (!moved) throw new Error("a case is missing");
  const text = refusalMessage([moved]);
  expect(text).toContain(`keep the recorded image:  alpine:3.16.0@${WANT}`);
  expect(text).toContain(`take the new one:         alpine@${GOT}`);
  for (const advised of text.matchAll(/(?<=: {2,})\S+$/gm)) {
    expect(() => parseReference(advised[0])).not.toThrow();
  }
});

test("what a stranger wrote has no control characters by the time it is shown", () => {
  const hostile = "status 200: \u001B[2J\u001B[31m\u202Ehidden\r\nnew line\u0007";
  const shown = progressLine(
    judgement({ kind: "unknown", detail: excerpt(hostile, 300) }, { refused: false }),
  );
  expect(shown).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(shown).toContain("hidden new line");
});

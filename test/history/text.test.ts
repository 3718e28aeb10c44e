// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import * as v from "valibot";
import { diffText, historyText } from "../../src/history/text.ts";
import { type PlaceSaid, timelineOf } from "../../src/history/timeline.ts";
import { HistoryDiffShape, HistoryShape } from "../../src/history/format.ts";
import { diffStatus, toldDiff, toldHistory } from "../../src/history/told.ts";
import { jsonSchema } from "../report/json-schema.ts";
import { ALPINE, DIGEST, OTHER_DIGEST } from "../record/sample-log.ts";
import { approver, builder, loggedHistories, MOVED, THIRD_DIGEST, threePlaces } from "./sample-places.ts";
import { signerName } from "../../src/record/signer.ts";

const known = loggedHistories(MOVED);
const PLACES = threePlaces({ lock: known([0, 4]), ledger: known([0, 2, 3]), log: known() });
const ASKED = { isTrusting: true, isFollowed: false };

function told(places: readonly PlaceSaid[] = PLACES, asked = ASKED) {
  return toldHistory(ALPINE, timelineOf(places, asked), asked);
}

test("a history says what stands and why, each record with its places, and what these could have left out", () => {
  const [recorder, approves] = [signerName(builder.signer), signerName(approver.signer)];
  expect(historyText(told())).toBe(`docker.io/library/alpine:3.16.0
  stands ${OTHER_DIGEST}
  why    approval 1, 2022-07-02T13:30:02Z, by ${approves}
  newest ${THIRD_DIGEST}
         logged 2022-07-03T13:30:02Z, and it does not stand

2022-06-28T13:30:02Z  first seen                  [1][2][3]
  digest ${DIGEST}
  signer ${recorder}
  log    rekor.example.org, index 1000

2022-06-30T13:30:02Z  moved                       [2][3]
  digest ${OTHER_DIGEST}
  signer ${recorder}
  log    rekor.example.org, index 1002

2022-07-01T13:30:02Z  seen again                  [2][3]
  digest ${OTHER_DIGEST}
  signer ${recorder}
  log    rekor.example.org, index 1003

2022-07-02T13:30:02Z  approved                    [1][3]
  digest ${OTHER_DIGEST}
  before ${DIGEST}
  signer ${approves}
  log    rekor.example.org, index 1004
  reason "CVE-2026-1 is fixed in it"

2022-07-03T13:30:02Z  approved, without effect    [3]
  digest ${THIRD_DIGEST}
  before ${DIGEST}
  signer ${approves}
  log    rekor.example.org, index 1005

2022-07-04T13:30:02Z  seen by who may only vouch  [3]
  digest ${THIRD_DIGEST}
  signer ${approves}
  log    rekor.example.org, index 1006

[1] lock file tlog.lock: 2 records
    whoever can edit the file can leave lines out
[2] ledger ghcr.io/acme/tlog-ledger: 3 records
    up to head 12, 2022-07-10T00:00:00Z, nobody but its observer can leave
    anything out
[3] log https://rekor.example.org: 6 records
    the log can leave entries out: nothing proves that its search is complete

1 entry under this name in the log does not count (1 untrusted-signer)
`);
});

test.for([80, 120])(
  "it fits %i columns, with whole digests, whatever names and reasons are long",
  (width) => {
    const long = told();
    const events = long.events.map((event) => ({
      ...event,
      record: {
        ...event.record,
        reason: `${"word ".repeat(40)}${"x".repeat(150)}`,
        log: `https://${"log".repeat(60)}.example.org`,
        signer: {
          kind: "identity" as const,
          issuer: "https://i.example",
          identity: `https://${"a/".repeat(120)}`,
        },
      },
    }));
    const places = long.places.map((place) => ({
      ...place,
      name: "n".repeat(255),
      detail: "why ".repeat(90),
    }));
    const text = historyText({ ...long, events, places, contradictions: ["c ".repeat(200)] }, width);
    const lines = text.split("\n");
    expect(lines.filter((line) => line.length > width)).toEqual([]);
    expect(lines.filter((line) => line.includes(OTHER_DIGEST))).toHaveLength(4);
  },
);

test("a sha512 digest stays whole, although it fits no 80 columns", () => {
  const digest = `sha512:${"ab".repeat(64)}` as const;
  const one = loggedHistories([{ digest, platforms: [] }]);
  const text = historyText(told([{ kind: "log", name: "https://rekor.example.org", history: one() }]));
  expect(text.split("\n")).toContain(`         ${digest}`.trimEnd().replace(/^ {9}/, "  digest "));
});

test("a ledger that no longer keeps sightings may have left out those", () => {
  const [, ledger] = PLACES;
  const reach = { sequence: 12, loggedAt: new Date("2022-07-10T00:00:00Z"), gap: { from: 2, to: 9 } };
  const [place] = told([{ ...ledger, reach } as PlaceSaid]).places;
  expect(place).toMatchObject({
    mayLeaveOut: true,
    guarantee: expect.stringContaining("; of sightings 2 to 9 it no longer keeps some or all"),
    completeTo: { head: 12, loggedAt: "2022-07-10T00:00:00Z", gap: { from: 2, to: 9 } },
  });
  expect(told().places.map(({ mayLeaveOut }) => mayLeaveOut)).toEqual([true, false, true]);
});

test("a log that has more of a trusted signer than it proves is told with what it proves", () => {
  const failure = { reason: "unproven", detail: "the log has 1 entry of a trusted signer for this tag" };
  const text = historyText(
    told([{ kind: "log", name: "https://rekor.example.org", history: known([0]), failure }]),
  );
  expect(text).toContain(
    "[1] log https://rekor.example.org: 1 record, and not all could be read\n    (unproven)\n    the log has 1 entry",
  );
});

test("where nobody is trusted, that is said, and what is there is shown as that of strangers", () => {
  const foreign = { ...known(), records: [], foreign: known([0]).records };
  const text = historyText(
    told([{ kind: "log", name: "https://rekor.example.org", history: foreign }], {
      isTrusting: false,
      isFollowed: false,
    }),
  );
  expect(text).toContain("no record of the tag counts");
  expect(text).toContain("nobody is trusted");
  expect(text).toContain(`seen by a signer who is not trusted here  [1]\n  digest ${DIGEST}`);
});

test("two images differ in platforms that were changed, added and removed", () => {
  const manifest = (hex: string) => `sha256:${hex.repeat(32)}` as const;
  const histories = loggedHistories([
    {
      platforms: [
        { platform: "linux/amd64", digest: manifest("a1") },
        { platform: "linux/arm64", digest: manifest("a2") },
        { platform: "linux/s390x", digest: manifest("a3") },
      ],
    },
    {
      day: 1,
      digest: OTHER_DIGEST,
      platforms: [
        { platform: "linux/riscv64", digest: manifest("b4") },
        { platform: "linux/arm64", digest: manifest("a2") },
        { platform: "linux/amd64", digest: manifest("b1") },
      ],
    },
  ]);
  const diff = toldDiff(
    ALPINE,
    threePlaces({ lock: histories([0]), ledger: histories([1]), log: histories() }),
    [DIGEST, OTHER_DIGEST],
  );
  expect(diff.platforms).toEqual([
    { platform: "linux/amd64", what: "changed", from: [manifest("a1")], to: [manifest("b1")] },
    { platform: "linux/arm64", what: "same", from: [manifest("a2")], to: [manifest("a2")] },
    { platform: "linux/riscv64", what: "added", from: [], to: [manifest("b4")] },
    { platform: "linux/s390x", what: "removed", from: [manifest("a3")], to: [] },
  ]);
  expect(diffStatus(diff)).toBe(0);
  const text = diffText(diff);
  expect(text).toContain(`changed  linux/amd64\n  from   ${manifest("a1")}\n  to     ${manifest("b1")}\n`);
  expect(text).toContain(`added  linux/riscv64\n  to     ${manifest("b4")}\n`);
  expect(text).toContain(`removed  linux/s390x\n  from   ${manifest("a3")}\n`);
  expect(text).toContain("\n1 platform is the same\n");
  expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);
});

test("no difference is told where a record names no platforms, or there is none", () => {
  const histories = loggedHistories([{}, { day: 1, digest: OTHER_DIGEST, platforms: [] }]);
  const places = threePlaces({ lock: histories(), ledger: histories(), log: histories() });
  const nameless = toldDiff(ALPINE, places, [DIGEST, OTHER_DIGEST]);
  expect(nameless).not.toHaveProperty("platforms");
  expect(diffStatus(nameless)).toBe(3);
  expect(diffText(nameless)).toContain("its record names no platforms");
  const unknown = toldDiff(ALPINE, places, [DIGEST, THIRD_DIGEST]);
  expect(diffStatus(unknown)).toBe(3);
  expect(diffText(unknown)).toContain(
    `  to     ${THIRD_DIGEST}\n         no record of the tag has this digest\n`,
  );
});

test("what is printed as JSON has the shape that is published", () => {
  const places: readonly PlaceSaid[] = [
    ...PLACES,
    { kind: "log", name: "https://other.example.org", notAsked: "no log was to be asked" },
    { kind: "ledger", name: "ghcr.io/acme/b", failure: { reason: "ledger-broken", detail: "why" } },
  ];
  const parse = (shape: v.GenericSchema, value: object): unknown =>
    v.parse(shape, JSON.parse(JSON.stringify(value)));
  expect(parse(HistoryShape, told(places))).toEqual(told(places));
  const diff = toldDiff(ALPINE, places, [DIGEST, OTHER_DIGEST]);
  expect(parse(HistoryDiffShape, diff)).toEqual(diff);
});

test.for([
  { name: "history", shape: HistoryShape },
  { name: "history-diff", shape: HistoryDiffShape },
])("the published JSON Schema of the $name is that of the shape", async ({ name, shape }) => {
  const schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: `https://raw.githubusercontent.com/tlog-dockerfile/tlog-dockerfile/main/docs/${name}.schema.json`,
    ...jsonSchema(shape),
  };
  await expect(`${JSON.stringify(schema, undefined, 2)}\n`).toMatchFileSnapshot(
    `../../docs/${name}.schema.json`,
  );
});

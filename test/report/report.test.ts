// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { textsOf } from "../../src/report/message-table.ts";
import { formatReference } from "../../src/image/reference.ts";
import { makeReport, type NamedImage } from "../../src/report/report.ts";
import { ReportShape } from "../../src/report/report.ts";
import { reportText } from "../../src/report/report-text.ts";
import { jsonSchema } from "./json-schema.ts";
import { GOT, JUDGEMENTS, TOLD, WANT } from "./sample-judgements.ts";

const policy = {
  profile: "default",
  sources: {
    profile: "default",
    logs: "policy.yaml:2",
    fulcio: "default",
    timestamps: "default",
    trust: "policy.yaml:4",
    ledgers: "default",
    registries: "default",
    lock: "default",
    recheck: "default",
    attest: "default",
    conversion: "default",
    syntax: "default",
    cacheFrom: "default",
    tuf: "default",
    timeoutMs: "default",
  },
} as const;
const all = Object.values(JUDGEMENTS);

/** The image of a judgement, as the build's LLB names it. */
function named(
  judgement: (typeof all)[number],
  ...lines: readonly (readonly [number, number])[]
): NamedImage {
  return {
    reference: judgement.reference,
    platforms: ["linux/amd64"],
    locations: lines.map(([start, end]) => ({ filename: "Dockerfile", start, end })),
  };
}

/** The same of an image that no other judgement is about. */
function inOwnRepository(judgement: (typeof all)[number]): (typeof all)[number] {
  const repository = `acme/${textsOf(judgement).name.toLowerCase()}`;
  return { ...judgement, reference: { ...judgement.reference, registry: "registry.example", repository } };
}

/** A report of these, each named in the line of its place. */
function reportOf(judgements: readonly (typeof all)[number][]) {
  const images = judgements.map((judgement, index) => named(judgement, [index + 2, index + 2]));
  return makeReport(judgements, { images, policy });
}

describe("every judgement fits the documented shape, and comes out of JSON as it went in", () => {
  test.for(Object.entries(JUDGEMENTS))("%s", ([, judgement]) => {
    const report = reportOf([judgement]);
    expect(v.parse(ReportShape, JSON.parse(JSON.stringify(report)))).toEqual(report);
    expect(report.images).toMatchObject([
      {
        outcome: judgement.outcome,
        verdict: judgement.verdict.kind,
        lines: [{ file: "Dockerfile", start: 2 }],
      },
    ]);
  });
});

describe("the shape is closed", () => {
  const good = JSON.stringify(reportOf([JUDGEMENTS.moved]));
  test.for([
    { row: "another version", change: ['"version":1', '"version":2'] },
    { row: "a field that is not documented", change: ['"version":1', '"version":1,"more":true'] },
    { row: "another verdict", change: ['"verdict":"moved"', '"verdict":"fine"'] },
    { row: "another message", change: ['"message":"TagMoved"', '"message":"AllGood"'] },
    { row: "a digest that is cut", change: [`"digest":"${GOT}"`, `"digest":"${GOT.slice(0, 30)}"`] },
    { row: "a time without a zone", change: ['"2022-06-28T13:30:02Z"', '"2022-06-28T13:30:02"'] },
    { row: "an index that is a number", change: ['"2787137"', "2787137"] },
    { row: "a signer of no kind", change: ['"kind":"key",', ""] },
  ])("$row is none", ({ change: [from = "", to = ""] }) => {
    const changed = good.replace(from, to);
    expect(changed).not.toBe(good);
    expect(v.safeParse(ReportShape, JSON.parse(changed)).success).toBe(false);
  });
});

test("a moved tag is reported with all that a tool needs to act", () => {
  const { moved } = JUDGEMENTS;
  const report = makeReport([moved], { images: [named(moved, [2, 2], [9, 10])], policy });
  expect(report).toMatchObject({
    version: 1,
    outcome: "refuse",
    policy: { profile: "default", sources: { trust: "policy.yaml:4" } },
    images: [
      {
        reference: "docker.io/library/alpine:3.16.0",
        digest: GOT,
        platforms: ["linux/amd64"],
        verdict: "moved",
        message: "TagMoved",
        lines: [
          { file: "Dockerfile", start: 2, end: 2 },
          { file: "Dockerfile", start: 9, end: 10 },
        ],
        rule: { action: "block", source: "policy.yaml:12" },
        record: {
          digest: WANT,
          log: "https://rekor.example.org",
          logIndex: "2787137",
          loggedAt: "2022-06-28T13:30:02Z",
          signer: { kind: "key" },
        },
      },
    ],
  });
});

test("an image that no line names is reported without lines, and one that is not judged is not reported", () => {
  const { moved, unchanged } = JUDGEMENTS;
  const { images } = makeReport([moved], { images: [named(unchanged, [3, 3])], policy });
  expect(images).toMatchObject([{ reference: "docker.io/library/alpine:3.16.0", lines: [], platforms: [] }]);
});

describe("the report's outcome is the worst of its images'", () => {
  const { unchanged } = JUDGEMENTS;
  const unknown = JUDGEMENTS["unknown, no answer"];
  const warned = JUDGEMENTS["moved, and only observed"];
  test.for([
    { row: "no image", judgements: [], want: "pass" },
    { row: "all pass", judgements: [unchanged, unchanged], want: "pass" },
    { row: "one warns", judgements: [unchanged, warned], want: "warn" },
    { row: "one is refused", judgements: [warned, unknown, unchanged], want: "refuse" },
  ])("$row: $want", ({ judgements, want }) => {
    expect(reportOf(judgements).outcome).toBe(want);
  });
});

describe("as text", () => {
  test("every message looks as it did", async () => {
    const judgements = all
      .filter((each, index) => all.findIndex((one) => textsOf(one).name === textsOf(each).name) === index)
      .map((each) => inOwnRepository(each));
    await expect(reportText(reportOf(judgements), judgements, TOLD)).toMatchFileSnapshot("report.golden.txt");
  });

  test.for(Object.entries(JUDGEMENTS))(
    "%s: nothing else than digests and others' words is wide",
    ([, judgement]) => {
      const [head = "", ...lines] =
        reportText(reportOf([judgement]), [judgement], TOLD)
          .split("\n\n")[0]
          ?.split("\n") ?? [];
      expect(head).toContain("Dockerfile:2");
      for (const line of lines.filter((each) => !/^ {2}(detail|log|why) /.test(each))) {
        expect(line.length).toBeLessThanOrEqual(80);
      }
    },
  );

  test("lines are those of the Dockerfile, each file once", () => {
    const { moved } = JUDGEMENTS;
    const linked = { filename: "base.Dockerfile", start: 4, end: 4 };
    const image = named(moved, [2, 2], [9, 10]);
    const images = [{ ...image, locations: [...image.locations, linked] }];
    const [head] = reportText(makeReport([moved], { images, policy }), [moved], TOLD).split("\n");
    expect(head).toBe(
      "REFUSED  moved  docker.io/library/alpine:3.16.0  Dockerfile:2, 9-10, base.Dockerfile:4",
    );
  });

  test("a build of nothing but scratch has a report too", () => {
    expect(reportText(reportOf([]), [], TOLD)).toBe(
      "0 images, 0 refused, 0 with a warning (policy profile: default)\n",
    );
  });

  test("what the build would say is said below the table, once for all", () => {
    const { moved, unchanged } = JUDGEMENTS;
    const unknown = JUDGEMENTS["unknown, no answer"];
    const judgements = [moved, unchanged, unknown];
    const text = reportText(reportOf(judgements), judgements, TOLD);
    expect(text.match(/^tag ".*/gm)).toHaveLength(2);
    expect(text).toContain("3 images, 2 refused, 0 with a warning");
  });
});

test("what goes in beside the images and is not judged has a line in the text, and a field in the JSON", () => {
  const unjudged = {
    cacheImports: [{ type: "registry", reference: "ghcr.io/acme/cache:main" }, { type: "gha" }],
    unjudgedContexts: [{ name: "x", type: "oci-layout" }],
  };
  const report = makeReport([JUDGEMENTS.unchanged], { images: [], policy, unjudged });
  expect(v.parse(ReportShape, JSON.parse(JSON.stringify(report)))).toMatchObject(unjudged);
  expect(reportText(report, [JUDGEMENTS.unchanged], TOLD)).toContain(
    [
      "\n\ncache imported from ghcr.io/acme/cache:main: not judged, let in by the policy",
      "cache imported from type=gha: not judged, let in by the policy",
      'context "x" (oci-layout) has no tag that a log could know: not judged\n\n',
    ].join("\n"),
  );
});

test("records that the builder remembered are told with the day on which the log was asked", () => {
  const judgement = { ...JUDGEMENTS.unchanged, askedOn: "2022-07-01" };
  const report = makeReport([judgement], { images: [named(judgement, [2, 2])], policy });
  expect(report.images[0]).toMatchObject({ verdict: "unchanged", remembered: "2022-07-01" });
  expect(reportText(report, [judgement], TOLD)).toContain(
    "\n  asked  on 2022-07-01; remembered by the builder\n",
  );
  const asked = makeReport([JUDGEMENTS.unchanged], { images: [], policy });
  expect(asked.images[0]).not.toHaveProperty("remembered");
});

test("references are matched with their digests", () => {
  const { moved, unchanged } = JUDGEMENTS;
  expect(formatReference(moved.reference)).not.toBe(formatReference(unchanged.reference));
  const images = [named(unchanged, [5, 5]), named(moved, [2, 2])];
  const report = makeReport([moved, unchanged], { images, policy });
  expect(report.images.map(({ lines }) => lines[0]?.start)).toEqual([2, 5]);
});

test("the published JSON Schema is that of the shape", async () => {
  const schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: "https://raw.githubusercontent.com/tlog-dockerfile/tlog-dockerfile/main/docs/report.schema.json",
    ...jsonSchema(ReportShape),
  };
  await expect(`${JSON.stringify(schema, undefined, 2)}\n`).toMatchFileSnapshot(
    "../../docs/report.schema.json",
  );
});

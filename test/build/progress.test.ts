// SPDX-License-Identifier: Apache-2.0
import { describe, expect, onTestFinished, test } from "vitest";
import { pb } from "../../gen/gateway.js";
import { showBuild, type ShownBuild } from "../../src/build/progress.ts";
import { sha256 } from "../../src/image/digest.ts";
import type { ImageSource, SourceLocation } from "../../src/llb/image-sources.ts";
import { progressLine } from "../../src/report/messages.ts";
import { ALL_JUDGED } from "../../src/report/report.ts";
import { FakeFailure, type FakeBehaviour, startFakeBuildkit } from "../gateway/fake-buildkit.ts";
import { GOT, JUDGEMENTS, RECORD, TOLD } from "../report/sample-judgements.ts";

const { unchanged } = JUDGEMENTS;
const moved = JUDGEMENTS["moved, and only observed"];
const unpinned = JUDGEMENTS["unpinned, and only observed"];
const unknown = JUDGEMENTS["unknown, no answer, with a warning"];

async function started(behaviour: FakeBehaviour = {}): ReturnType<typeof startFakeBuildkit> {
  const fake = await startFakeBuildkit(behaviour);
  onTestFinished(() => fake.close());
  return fake;
}

function shown(judgements: ShownBuild["judgements"], images: ShownBuild["images"]): ShownBuild {
  return { judgements, images, unjudged: ALL_JUDGED, told: TOLD, now: RECORD.loggedAt };
}

const DATA = Buffer.from("# syntax=x\nFROM alpine:3.16.0\n");
function at(start: number, end = start, filename = "Dockerfile"): SourceLocation {
  return { filename, data: DATA, language: "Dockerfile", start, end };
}

function image(
  { reference }: { reference: ImageSource["reference"] },
  ...locations: SourceLocation[]
): ImageSource {
  return { reference, platforms: [], locations };
}

/** The lines that a solved definition shows, with the digest of each one's step. */
function stepsOf(definition: Uint8Array | null | undefined): [line: string, digest: string][] {
  const { def, metadata } = pb.Definition.decode(definition ?? new Uint8Array());
  return (def ?? [])
    .map((op) => sha256(op))
    .flatMap((digest) => {
      const name = metadata?.[digest]?.description?.["llb.customname"];
      return name === undefined ? [] : [[name, digest] as [string, string]];
    });
}

test("every judgement has its line, and the one that warns has a warning at that line", async () => {
  const { bridge, heard } = await started();
  await showBuild(
    bridge,
    shown([unchanged, moved], [image(unchanged, at(2)), image(moved, at(4, 5), at(9))]),
  );
  const [solved] = heard.solves;
  expect(solved).toMatchObject({ Evaluate: true });
  const steps = stepsOf(solved?.Definition);
  expect(steps.map(([line]) => line)).toEqual(
    [unchanged, moved].map((each) => `[tlog] ${progressLine(each)}`),
  );
  expect(heard.warnings).toMatchObject([
    {
      digest: steps[1]?.[1],
      short: Buffer.from('TagMoved: tag "docker.io/library/alpine:3.16.0" moved since 2022-06-28 (line 4)'),
      url: expect.stringMatching(/#tagmoved$/) as string,
      info: { filename: "Dockerfile", language: "Dockerfile", data: DATA },
      ranges: [
        { start: { line: 4 }, end: { line: 5 } },
        { start: { line: 9 }, end: { line: 9 } },
      ],
    },
  ]);
  const detail = heard.warnings[0]?.detail.map(String) ?? [];
  expect(detail[0]).toMatch(/^tag ".*" mismatch; got ".*", want ".*"$/);
});

test("a warning shows the lines of one file", async () => {
  const { bridge, heard } = await started();
  await showBuild(bridge, shown([moved], [image(moved, at(4), at(7, 7, "base.Dockerfile"))]));
  expect(heard.warnings).toMatchObject([
    { info: { filename: "Dockerfile" }, ranges: [{ start: { line: 4 } }] },
  ]);
});

describe("a warning about an image that no line names", () => {
  test.for([
    { row: "has none", images: [image(moved)] },
    { row: "is not mixed up with another image's", images: [image(unpinned, at(3))] },
  ])("$row", async ({ images }) => {
    const { bridge, heard } = await started();
    await showBuild(bridge, shown([moved], images));
    expect(heard.warnings).toMatchObject([{ info: null, ranges: [] }]);
    expect(String(heard.warnings[0]?.short)).toMatch(/ moved since 2022-06-28$/);
  });
});

test("nothing is solved for a build of nothing but scratch", async () => {
  const { bridge, heard } = await started();
  await showBuild(bridge, shown([], []));
  expect(heard.solves).toEqual([]);
});

test("an engine that takes no warnings has shown the lines, and the build goes on", async () => {
  const { bridge, heard } = await started({
    warn() {
      throw new FakeFailure("unknown method Warn");
    },
  });
  await showBuild(bridge, shown([moved, unknown], []));
  expect(stepsOf(heard.solves[0]?.Definition)).toHaveLength(2);
  expect(heard.warnings).toHaveLength(2);
});

test("lines that BuildKit does not show are an error: a build whose verdicts nobody sees is none", async () => {
  const { bridge } = await started({
    solve() {
      throw new FakeFailure("no worker");
    },
  });
  await expect(showBuild(bridge, shown([unchanged], []))).rejects.toMatchObject({ message: "no worker" });
});

describe("an image that is built as recorded", () => {
  const pinned = JUDGEMENTS["pinned, with a warning"];
  const day = 24 * 60 * 60 * 1000;

  test.for([
    { age: 0, warns: true },
    { age: 6.9, warns: true },
    { age: 7, warns: false },
    { age: 29.9, warns: false },
    { age: 30, warns: true },
    { age: 37, warns: false },
    { age: 92, warns: true },
    { age: 186, warns: true },
    { age: 200, warns: false },
    { age: 365, warns: true },
    { age: 372, warns: false },
    { age: 732, warns: true },
    { age: 900, warns: false },
  ])("$age days after its record, warns: $warns; its line is always shown", async ({ age, warns }) => {
    const { bridge, heard } = await started();
    const now = new Date(RECORD.loggedAt.getTime() + age * day);
    await showBuild(bridge, { ...shown([pinned], []), now });
    expect(stepsOf(heard.solves[0]?.Definition)).toEqual([
      [expect.stringContaining("PINNED as recorded on 2022-06-28"), expect.anything()],
    ]);
    expect(heard.warnings).toHaveLength(warns ? 1 : 0);
  });
});

test("an image that was pinned long ago warns again when its tag is recorded as another image", async () => {
  const pinned = JUDGEMENTS["pinned, with a warning"];
  const now = new Date(RECORD.loggedAt.getTime() + 900 * 24 * 60 * 60 * 1000);
  const records = [{ ...RECORD, digest: GOT, loggedAt: now }];
  const { bridge, heard } = await started();
  await showBuild(bridge, { ...shown([{ ...pinned, records }], []), now });
  expect(heard.warnings).toHaveLength(1);
});

test("each line waits for the one before it, so that they are shown in the order of the Dockerfile", async () => {
  const { bridge, heard } = await started();
  await showBuild(bridge, shown([unchanged, unknown, moved], []));
  const { def = [] } = pb.Definition.decode(heard.solves[0]?.Definition ?? new Uint8Array());
  const inputs = (def ?? []).map((op) => pb.Op.decode(op).inputs?.map(({ digest }) => digest));
  const digests = (def ?? []).map((op) => sha256(op));
  expect(inputs).toEqual([[], [digests[0]], [digests[1]], [digests[2]]]);
});

test("what goes in unjudged has a line behind the images", async () => {
  const { bridge, heard } = await started();
  const unjudged = {
    ...ALL_JUDGED,
    cacheImports: [{ type: "registry", reference: "ghcr.io/acme/cache:main" }],
  };
  await showBuild(bridge, { ...shown([unchanged], []), unjudged });
  expect(stepsOf(heard.solves[0]?.Definition).map(([line]) => line)).toEqual([
    `[tlog] ${progressLine(unchanged)}`,
    "[tlog] cache imported from ghcr.io/acme/cache:main: not judged, let in by the policy",
  ]);
});

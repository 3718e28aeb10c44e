// SPDX-License-Identifier: Apache-2.0
import { describe, expect, onTestFinished, test } from "vitest";
import { pb } from "../../gen/gateway.js";
import { showJudgements } from "../../src/build/progress.ts";
import { sha256 } from "../../src/image/digest.ts";
import type { ImageSource, SourceLocation } from "../../src/llb/image-sources.ts";
import { progressLine } from "../../src/report/messages.ts";
import { FakeFailure, type FakeBehaviour, startFakeBuildkit } from "../gateway/fake-buildkit.ts";
import { JUDGEMENTS } from "../report/sample-judgements.ts";

const { unchanged } = JUDGEMENTS;
const moved = JUDGEMENTS["moved, and only observed"];
const unpinned = JUDGEMENTS["unpinned, and only observed"];
const unknown = JUDGEMENTS["unknown, no answer, with a warning"];

async function started(behaviour: FakeBehaviour = {}): ReturnType<typeof startFakeBuildkit> {
  const fake = await startFakeBuildkit(behaviour);
  onTestFinished(() => fake.close());
  return fake;
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
  await showJudgements(bridge, [unchanged, moved], [image(unchanged, at(2)), image(moved, at(4, 5), at(9))]);
  const [shown] = heard.solves;
  expect(shown).toMatchObject({ Evaluate: true });
  const steps = stepsOf(shown?.Definition);
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
  await showJudgements(bridge, [moved], [image(moved, at(4), at(7, 7, "base.Dockerfile"))]);
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
    await showJudgements(bridge, [moved], images);
    expect(heard.warnings).toMatchObject([{ info: null, ranges: [] }]);
    expect(String(heard.warnings[0]?.short)).toMatch(/ moved since 2022-06-28$/);
  });
});

test("nothing is solved for a build of nothing but scratch", async () => {
  const { bridge, heard } = await started();
  await showJudgements(bridge, [], []);
  expect(heard.solves).toEqual([]);
});

test("an engine that takes no warnings has shown the lines, and the build goes on", async () => {
  const { bridge, heard } = await started({
    warn() {
      throw new FakeFailure("unknown method Warn");
    },
  });
  await showJudgements(bridge, [moved, unknown], []);
  expect(stepsOf(heard.solves[0]?.Definition)).toHaveLength(2);
  expect(heard.warnings).toHaveLength(2);
});

test("lines that BuildKit does not show are an error: a build whose verdicts nobody sees is none", async () => {
  const { bridge } = await started({
    solve() {
      throw new FakeFailure("no worker");
    },
  });
  await expect(showJudgements(bridge, [unchanged], [])).rejects.toMatchObject({ message: "no worker" });
});

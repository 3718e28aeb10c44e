// SPDX-License-Identifier: Apache-2.0
import { describe, expect, onTestFinished, test } from "vitest";
import { convert } from "../../src/conversion/conversion.ts";
import { formatReference } from "../../src/image/reference.ts";
import { DefinitionError } from "../../src/llb/definition.ts";
import { definitionOf, FakeFailure, resultOf, startFakeBuildkit } from "../gateway/fake-buildkit.ts";
import { digestOf, source } from "../llb/sample-llb.ts";
import { type Miniature, miniature } from "./miniature-conversion.ts";

async function started(what: Partial<Miniature> = {}): ReturnType<typeof startFakeBuildkit> {
  const fake = await startFakeBuildkit(miniature({ dockerfile: "FROM scratch\n", images: {}, ...what }));
  onTestFinished(() => fake.close());
  return fake;
}

describe("the syntax line of the Dockerfile never starts an image: `cmdline` is always sent", () => {
  test.for([
    {
      row: "as BuildKit gave it to us",
      options: { cmdline: "org/frontend:1", source: "other" },
      cmdline: "org/frontend:1",
    },
    {
      row: "or else what we were started as",
      options: { source: "org/frontend:1" },
      cmdline: "org/frontend:1",
    },
    { row: "or else anything: it must only be there", options: {}, cmdline: "tlog-dockerfile" },
    { row: "also an empty one, which is there", options: { cmdline: "" }, cmdline: "" },
  ])("$row", async ({ options, cmdline }) => {
    const { bridge, heard } = await started();
    await convert(bridge, { options, inputs: {} });
    expect(heard.solves[0]).toMatchObject({
      Frontend: "dockerfile.v0",
      FrontendOpt: { ...options, cmdline },
    });
  });
});

test("all options and inputs are passed on as they are", async () => {
  const { bridge, heard } = await started();
  const options = { target: "", "build-arg:A": "b=c", "context:x": "input:y", cmdline: "a" };
  await convert(bridge, {
    options: { ...options, target: "" },
    inputs: { y: definitionOf([source("local://a")]) },
  });
  expect(heard.solves[0]?.FrontendOpt).toEqual(options);
  expect(Object.keys(heard.solves[0]?.FrontendInputs ?? {})).toEqual(["y"]);
});

test("nothing is run by a conversion", async () => {
  const { bridge, heard } = await started();
  await convert(bridge, { options: {}, inputs: {} });
  expect(heard.solves.map(({ Evaluate }) => Evaluate)).toEqual([false]);
});

test("every image of every platform is found", async () => {
  const { bridge } = await started({
    dockerfile: "FROM --platform=$BUILDPLATFORM tools:1 AS tools\nFROM base:1\nCOPY --from=tools a a\n",
    images: {
      "tools:1": { digest: digestOf("01"), layers: true },
      "base:1": { digest: digestOf("02"), layers: true },
    },
  });
  const { images, definitions, result } = await convert(bridge, {
    options: { platform: "linux/amd64,linux/arm64" },
    inputs: {},
  });
  expect(definitions).toHaveLength(2);
  expect(result.refs.map(({ platform }) => platform)).toEqual(["linux/amd64", "linux/arm64"]);
  expect(
    images.map(({ reference, platforms, locations }) => [
      formatReference(reference),
      platforms,
      locations.map(({ start }) => start),
    ]),
  ).toEqual([
    [`docker.io/library/base:1@${digestOf("02")}`, ["linux/amd64", "linux/arm64"], [2]],
    [`docker.io/library/tools:1@${digestOf("01")}`, ["linux/amd64"], [1]],
  ]);
});

test("a Dockerfile that does not convert is BuildKit's own error", async () => {
  const fake = await startFakeBuildkit({
    solve() {
      throw new FakeFailure("dockerfile parse error on line 1: unknown instruction: RUNN", Buffer.from("d"));
    },
  });
  onTestFinished(() => fake.close());
  await expect(convert(fake.bridge, { options: {}, inputs: {} })).rejects.toMatchObject({
    details: "dockerfile parse error on line 1: unknown instruction: RUNN",
  });
});

test("LLB that cannot be judged is no conversion", async () => {
  const fake = await startFakeBuildkit({ solve: () => resultOf(definitionOf([source("ftp://x")])) });
  onTestFinished(() => fake.close());
  await expect(convert(fake.bridge, { options: {}, inputs: {} })).rejects.toThrow(DefinitionError);
});

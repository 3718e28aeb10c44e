// SPDX-License-Identifier: Apache-2.0
import { expect, onTestFinished, test } from "vitest";
import { encodeResult, type FakeBehaviour, FakeFailure, startFakeBuildkit } from "./fake-buildkit.ts";

async function started(behaviour: FakeBehaviour = {}): ReturnType<typeof startFakeBuildkit> {
  const fake = await startFakeBuildkit(behaviour);
  onTestFinished(() => fake.close());
  return fake;
}

test("every solve asks for results whose LLB can be read", async () => {
  const { bridge, heard } = await started();
  await bridge.solve({ Frontend: "dockerfile.v0", FrontendOpt: { target: "a" } });
  expect(heard.solves).toMatchObject([
    {
      Frontend: "dockerfile.v0",
      FrontendOpt: { target: "a" },
      allowResultReturn: true,
      allowResultArrayRef: true,
      Evaluate: false,
    },
  ]);
});

test("an answer without a result is an empty result", async () => {
  const { bridge } = await started({ solve: () => encodeResult({}) });
  expect(await bridge.solve({})).toHaveLength(0);
});

test("linked builds come with their definitions", async () => {
  const { bridge } = await started({ inputs: { base: Buffer.from("llb") } });
  const inputs = await bridge.inputs();
  expect(Buffer.from(inputs["base"] ?? []).toString()).toBe("llb");
});

const WARNING = {
  step: "sha256:aa",
  short: "TagMoved: a tag moved (line 2)",
  detail: ["since then", "and so on"],
  url: "https://example.org/messages.md#tagmoved",
};

test("a warning arrives with its lines of the Dockerfile, at the level that is always shown", async () => {
  const { bridge, heard } = await started();
  const data = Buffer.from("FROM a\nFROM b\n");
  const source = { filename: "Dockerfile", language: "Dockerfile", data, ranges: [{ start: 2, end: 3 }] };
  await bridge.warn({ ...WARNING, source });
  expect(heard.warnings).toMatchObject([
    {
      digest: "sha256:aa",
      level: 1,
      short: Buffer.from(WARNING.short),
      detail: [Buffer.from("since then"), Buffer.from("and so on")],
      url: WARNING.url,
      info: { filename: "Dockerfile", language: "Dockerfile", data },
      ranges: [{ start: { line: 2 }, end: { line: 3 } }],
    },
  ]);
});

test("a warning about no line of the Dockerfile arrives without any", async () => {
  const { bridge, heard } = await started();
  await bridge.warn(WARNING);
  expect(heard.warnings).toMatchObject([{ short: Buffer.from(WARNING.short), info: null, ranges: [] }]);
});

test("files of a result are read in parts, and directories by a name", async () => {
  const files = { "a/one": "0123456789", "a/two": "x", top: "y" };
  const { bridge, heard } = await started({ files: () => files });
  const part = await bridge.readFile("ref-1", { path: "a/one", offset: 4, length: 3 });
  expect(Buffer.from(part).toString()).toBe("456");
  expect(heard.reads).toEqual([{ ref: "ref-1", path: "a/one", offset: 4, length: 3 }]);
  expect(await bridge.readFile("ref-1", { path: "a/one", offset: 10, length: 3 })).toHaveLength(0);
  expect(await bridge.readDirectory("ref-1", { path: "a", pattern: "one" })).toEqual([
    { name: "one", mode: 0o644, size: 10 },
  ]);
  expect(await bridge.readDirectory("ref-1", { path: ".", pattern: "a" })).toMatchObject([
    { name: "a", mode: 2 ** 31 + 0o755 },
  ]);
  expect(await bridge.readDirectory("ref-1", { path: ".", pattern: "none" })).toEqual([]);
});

test("each method's failure rejects with BuildKit's words", async () => {
  const fail = (): never => {
    throw new FakeFailure("no such thing");
  };
  const { bridge } = await started({
    solve: fail,
    resolve: fail,
    newContainer: fail,
    warn: fail,
    return: fail,
  });
  for (const call of [
    bridge.solve({}),
    bridge.resolveImageConfig({ Ref: "a" }),
    bridge.newContainer({ ContainerID: "a" }),
    bridge.warn(WARNING),
    bridge.returnResult(new Uint8Array()),
    bridge.returnError(new Uint8Array()),
  ]) {
    await expect(call).rejects.toMatchObject({ code: 2, message: "no such thing" });
  }
});

test("an answer over BuildKit's own limit of 16 MiB is an error, and the next call is served", async () => {
  const { bridge } = await started({
    solve: ({ Frontend }) =>
      encodeResult({ metadata: Frontend ? { huge: Buffer.alloc(17 * 1024 * 1024) } : {} }),
  });
  await expect(bridge.solve({ Frontend: "dockerfile.v0" })).rejects.toMatchObject({ code: 8 });
  expect(await bridge.solve({})).toHaveLength(0);
});

test("without BuildKit each call fails at once", async () => {
  const { bridge, close } = await started();
  close();
  await expect(bridge.inputs()).rejects.toThrow();
});

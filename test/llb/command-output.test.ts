// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { pb } from "../../gen/gateway.js";
import { type Command, commandOutput } from "../../src/llb/command-output.ts";
import { readDefinition, secretsOf } from "../../src/llb/definition.ts";
import { sha256 } from "../../src/image/digest.ts";

const source = pb.Op.encode({
  source: { identifier: `docker-image://registry.example/frontend:1@sha256:${"f1".repeat(32)}` },
  platform: { OS: "linux", Architecture: "arm64" },
}).finish();
const image = pb.Definition.encode({
  def: [source, pb.Op.encode({ inputs: [{ digest: sha256(source), index: 0 }] }).finish()],
  metadata: { [sha256(source)]: { caps: { "source.image": true } } },
}).finish();

const COMMAND: Command = {
  args: ["node", "courier.js"],
  env: ["QUESTION=one"],
  proxies: { http: "http://proxy.example", https: "", none: "localhost" },
  output: "/run/answers",
  title: "[internal] ask",
};

function stepOf(command: Partial<Command> = {}) {
  const encoded = commandOutput(image, { ...COMMAND, ...command });
  const { operations } = readDefinition(encoded);
  const [, step] = operations;
  if (step?.op.exec === undefined) throw new Error("no step");
  const { metadata } = pb.Definition.decode(encoded);
  return { encoded, operations, step, exec: pb.ExecOp.decode(step.op.exec ?? new Uint8Array()), metadata };
}

test("runs in the image, with the network and without secrets, and its directory is all that is kept", () => {
  const { operations, step, exec } = stepOf();
  expect(operations.map(({ digest }) => digest)[0]).toBe(sha256(source));
  expect(step.op.inputs).toMatchObject([{ digest: sha256(source) }]);
  expect(step.op.platform).toMatchObject({ OS: "linux", Architecture: "arm64" });
  expect(operations[2]?.op.inputs).toMatchObject([{ digest: step.digest }]);
  expect(operations).toHaveLength(3);
  expect(secretsOf(step.op).filter(Boolean)).toEqual([]);
  expect(exec.network ?? pb.NetMode.UNSET).toBe(pb.NetMode.UNSET);
  expect(exec.meta).toMatchObject({ args: COMMAND.args, env: COMMAND.env, cwd: "/" });
  const mounts = exec.mounts?.map(({ input, output, dest, readonly }) => [
    Number(input ?? 0),
    Number(output ?? 0),
    dest,
    readonly ?? false,
  ]);
  expect(mounts).toEqual([
    [0, -1, "/", true],
    [-1, 0, "/run/answers", false],
  ]);
});

test("what the image's definition says of its operations is kept, and the step is named in the progress", () => {
  const { metadata, step } = stepOf();
  expect(metadata?.[sha256(source)]?.caps).toEqual({ "source.image": true });
  expect(metadata?.[step.digest]?.description).toEqual({ "llb.customname": "[internal] ask" });
});

test("proxies are given where BuildKit leaves them out of the key", () => {
  const { exec } = stepOf();
  expect(exec.meta?.proxy_env).toMatchObject({ http_proxy: "http://proxy.example", no_proxy: "localhost" });
  expect(exec.meta?.env).toEqual(COMMAND.env);
});

test("equal commands are equal bytes, and another question is another step", () => {
  expect(stepOf().encoded).toEqual(stepOf().encoded);
  expect(stepOf({ env: ["QUESTION=two"] }).step.digest).not.toBe(stepOf().step.digest);
  expect(stepOf({ title: "another" }).step.digest).toBe(stepOf().step.digest);
});

test.for([
  { row: "no definition", bytes: Buffer.from([0xff]), message: "the LLB of an image does not decode" },
  {
    row: "one that names no image",
    bytes: new Uint8Array(),
    message: "does not say which of its operations is the image",
  },
])("an image that is $row is an error", ({ bytes, message }) => {
  expect(() => commandOutput(bytes, COMMAND)).toThrow(message);
});

// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Bridge } from "../../src/gateway/bridge.ts";
import { joinStdio } from "../../src/gateway/connection.ts";
import { encodeResult, type FakeBehaviour, startFakeBuildkit } from "./fake-buildkit.ts";
import { type StdioPair, stdioPair } from "./stdio-pair.ts";

/** A bridge over standard input and output to a fake BuildKit. */
async function joined(behaviour: FakeBehaviour = {}): Promise<{
  bridge: Bridge;
  fake: Awaited<ReturnType<typeof startFakeBuildkit>>;
  pair: StdioPair;
  path: string;
  close: () => void;
  ended: Promise<void>;
}> {
  const fake = await startFakeBuildkit(behaviour);
  const pair = await stdioPair();
  const ended = Promise.withResolvers<void>();
  const connection = await joinStdio(pair.input, pair.output, ended.resolve);
  pair.relayTo(fake.target);
  const bridge = new Bridge(connection.target);
  onTestFinished(() => {
    bridge.close();
    connection.close();
    pair.close();
    fake.close();
  });
  return {
    bridge,
    fake,
    pair,
    path: connection.target.slice("unix:".length),
    close: () => connection.close(),
    ended: ended.promise,
  };
}

test("calls and answers go over standard input and output", async () => {
  const { bridge, fake } = await joined({ resolve: () => "sha256:1" });
  expect(await bridge.resolveImageConfig({ Ref: "alpine" })).toMatchObject({ Digest: "sha256:1" });
  await bridge.returnError(Buffer.from("error"));
  expect(fake.heard.returned).toMatchObject([{ error: Buffer.from("error") }]);
});

test("a result of 5 MB passes in both directions", async () => {
  const large = encodeResult({ metadata: { large: Buffer.alloc(5 * 1024 * 1024, "x") } });
  const { bridge, fake } = await joined({ solve: () => large });
  const result = await bridge.solve({ Frontend: "dockerfile.v0" });
  expect(Buffer.compare(result, large)).toBe(0);
  await bridge.returnResult(result);
  expect(Buffer.compare(fake.heard.returned[0]?.result ?? Buffer.alloc(0), large)).toBe(0);
});

test("when BuildKit hangs up, that is heard and open calls fail", async () => {
  const asked = Promise.withResolvers<void>();
  const { bridge, pair, ended } = await joined({
    solve() {
      asked.resolve();
      return new Promise(() => undefined);
    },
  });
  const open = expect(bridge.solve({ Frontend: "dockerfile.v0" })).rejects.toThrow("UNAVAILABLE");
  await asked.promise;
  pair.hangUp();
  await ended;
  await open;
});

test("when BuildKit ends its side alone, that is heard", async () => {
  const { bridge, pair, ended } = await joined();
  await bridge.inputs();
  pair.toInput.end();
  await ended;
});

test("a second connection is not accepted", async () => {
  const { bridge, path } = await joined();
  await bridge.inputs();
  const second = connect(path);
  const [error] = (await once(second, "error")) as [NodeJS.ErrnoException];
  expect(["ENOENT", "ECONNREFUSED"]).toContain(error.code);
  expect(await bridge.inputs(), "the first one goes on").toEqual({});
});

test("nothing stays behind", async () => {
  const { bridge, path, close } = await joined();
  await bridge.inputs();
  close();
  expect(existsSync(dirname(path))).toBe(false);
});

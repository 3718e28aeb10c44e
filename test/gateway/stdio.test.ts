// SPDX-License-Identifier: Apache-2.0
import { expect, onTestFinished, test } from "vitest";
import { Bridge } from "../../src/gateway/bridge.ts";
import { joined } from "../../src/gateway/stdio.ts";
import { encodeResult, type FakeBehaviour, startFakeBuildkit } from "./fake-buildkit.ts";
import { type StdioPair, stdioPair } from "./stdio-pair.ts";

/** A bridge over standard input and output to a fake BuildKit. */
async function started(behaviour: FakeBehaviour = {}): Promise<{
  bridge: Bridge;
  fake: Awaited<ReturnType<typeof startFakeBuildkit>>;
  pair: StdioPair;
  ended: Promise<unknown>;
}> {
  const fake = await startFakeBuildkit(behaviour);
  const pair = await stdioPair();
  const stream = joined(pair.input, pair.output);
  const ended = new Promise((resolve) => stream.once("close", () => resolve(undefined)));
  pair.relayTo(fake.target);
  const bridge = new Bridge(stream);
  onTestFinished(() => {
    bridge.close();
    pair.close();
    fake.close();
  });
  return { bridge, fake, pair, ended };
}

test("calls and answers go over standard input and output", async () => {
  const { bridge, fake } = await started({ resolve: () => "sha256:1" });
  expect(await bridge.resolveImageConfig({ Ref: "alpine" })).toMatchObject({ Digest: "sha256:1" });
  await bridge.returnError(Buffer.from("error"));
  expect(fake.heard.returned).toMatchObject([{ error: Buffer.from("error") }]);
});

test("a result of 15 MB passes in both directions", async () => {
  const large = encodeResult({ metadata: { large: Buffer.alloc(15 * 1024 * 1024, "x") } });
  const { bridge, fake } = await started({ solve: () => large });
  const result = await bridge.solve({});
  expect(Buffer.compare(result, large)).toBe(0);
  await bridge.returnResult(result);
  expect(Buffer.compare(fake.heard.returned[0]?.result ?? Buffer.alloc(0), large)).toBe(0);
});

test("a hundred calls at once are answered", async () => {
  const { bridge } = await started({ resolve: ({ Ref }) => `of ${Ref}` });
  const asked = Array.from({ length: 100 }, (_, index) =>
    bridge.resolveImageConfig({ Ref: `image-${index}` }),
  );
  const answered = await Promise.all(asked);
  expect(answered.map(({ Digest }) => Digest)).toEqual(asked.map((_, index) => `of image-${index}`));
});

test("when BuildKit hangs up, that is heard and open calls fail", async () => {
  const asked = Promise.withResolvers<void>();
  const { bridge, pair, ended } = await started({
    solve() {
      asked.resolve();
      return new Promise(() => undefined);
    },
  });
  const open = expect(bridge.solve({})).rejects.toMatchObject({ code: 14 });
  await asked.promise;
  pair.hangUp();
  await ended;
  await open;
});

test("when BuildKit ends its side alone, that is heard", async () => {
  const { bridge, pair, ended } = await started();
  await bridge.inputs();
  pair.toInput.end();
  await ended;
});

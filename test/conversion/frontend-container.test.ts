// SPDX-License-Identifier: Apache-2.0
import { duplexPair } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { ConversionError } from "../../src/conversion/conversion.ts";
import { startFrontendContainer } from "../../src/conversion/frontend-container.ts";
import { Bridge } from "../../src/gateway/bridge.ts";
import { parseReference } from "../../src/image/reference.ts";
import {
  encodeResult,
  type ExecCall,
  type FakeBehaviour,
  startFakeBuildkit,
} from "../gateway/fake-buildkit.ts";

const LARGE = Buffer.alloc(5_000_000, "request");
const LLB = Buffer.from([0x0a, 0x00]);
const NAME = `docker.io/acme/syntax:1@sha256:${"ab".repeat(32)}`;
const IMAGE = {
  reference: parseReference(NAME),
  config: Buffer.from('{"config":{"Entrypoint":["/frontend"]}}'),
  environment: {},
};

async function buildkit(behaviour: FakeBehaviour): ReturnType<typeof startFakeBuildkit> {
  const fake = await startFakeBuildkit({
    solve: () => encodeResult({ ref: { id: "root", def: LLB } }),
    ...behaviour,
  });
  onTestFinished(() => fake.close());
  return fake;
}

test("a frontend image that BuildKit does not start in time is one clear error, and is ended when it starts all the same", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const fake = await buildkit({ newContainer: () => promise });
  await expect(startFrontendContainer(fake.bridge, IMAGE, 200)).rejects.toThrow(
    new ConversionError(
      `BuildKit did not start the container of the frontend "${NAME}" within 0.2 seconds; build again, and restart BuildKit or Docker Engine if that does not help`,
    ),
  );
  expect(fake.heard.released).toEqual([]);
  resolve();
  await expect.poll(() => fake.heard.released).toEqual([fake.heard.containers[0]?.ContainerID]);
});

test("a frontend image asks, is answered, and ends", async () => {
  const answered = Promise.withResolvers<Uint8Array>();
  const fake = await buildkit({
    exec(call: ExecCall) {
      const [process, outside] = duplexPair();
      outside.on("data", (bytes: Buffer) => call.write({ File: { Fd: 1, Data: bytes } }));
      call.on("data", ({ File: file }: { File?: { Data: Buffer; EOF: boolean } }) => {
        if (file?.Data.length) outside.write(file.Data);
        if (file?.EOF) call.end({ Exit: { Code: 0 } });
      });
      answered.resolve(new Bridge(process).forward("Solve", LARGE));
    },
  });
  const conversion = await startFrontendContainer(fake.bridge, IMAGE);
  conversion.serve(async (method, request) => Buffer.concat([Buffer.from(method), request]));
  expect(Buffer.compare(await answered.promise, Buffer.concat([Buffer.from("Solve"), LARGE]))).toBe(0);
  await conversion.end();
  expect(fake.heard.released).toHaveLength(1);
});

test("a frontend image that does not speak HTTP/2: what it does wrong", async () => {
  const fake = await buildkit({
    exec(call: ExecCall) {
      call.on("data", ({ Init }: { Init?: unknown }) => {
        if (Init) call.write({ File: { Fd: 1, Data: Buffer.from("GET / HTTP/1.1\r\n\r\n") } });
      });
    },
  });
  const conversion = await startFrontendContainer(fake.bridge, IMAGE);
  conversion.serve(async (_, request) => request);
  expect(await conversion.ended).toEqual(
    new ConversionError(`the frontend "${NAME}": the connection does not begin as HTTP/2 does`),
  );
});

// SPDX-License-Identifier: Apache-2.0
import { expect, onTestFinished, test } from "vitest";
import { ConversionError } from "../../src/conversion/conversion.ts";
import { startFrontendContainer } from "../../src/conversion/frontend-container.ts";
import { parseReference } from "../../src/image/reference.ts";
import { encodeResult, startFakeBuildkit } from "../gateway/fake-buildkit.ts";

const LLB = Buffer.from([0x0a, 0x00]);

test("a frontend image that BuildKit does not start in time is one clear error, and is ended when it starts all the same", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const fake = await startFakeBuildkit({
    solve: () => encodeResult({ ref: { id: "root", def: LLB } }),
    newContainer: () => promise,
  });
  onTestFinished(() => fake.close());
  const name = `docker.io/acme/syntax:1@sha256:${"ab".repeat(32)}`;
  const image = {
    reference: parseReference(name),
    config: Buffer.from('{"config":{"Entrypoint":["/frontend"]}}'),
    environment: {},
  };
  await expect(startFrontendContainer(fake.bridge, image, 200)).rejects.toThrow(
    new ConversionError(
      `BuildKit did not start the container of the frontend "${name}" within 0.2 seconds; build again, and restart BuildKit or Docker Engine if that does not help`,
    ),
  );
  expect(fake.heard.released).toEqual([]);
  resolve();
  await expect.poll(() => fake.heard.released).toEqual([fake.heard.containers[0]?.ContainerID]);
});

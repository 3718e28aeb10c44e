// SPDX-License-Identifier: Apache-2.0
import { expect, onTestFinished, test } from "vitest";
import { readEngine } from "../../src/gateway/engine.ts";
import { startFakeBuildkit } from "./fake-buildkit.ts";

test("an engine that is new enough is taken", async () => {
  const { bridge, close } = await startFakeBuildkit();
  onTestFinished(close);
  await expect(readEngine(bridge)).resolves.toEqual({ unsure: [], attestations: false });
});

// The capabilities of Docker 20.10 that matter here: its conversion knows neither named contexts nor heredocs.
test("an old engine is refused, with the one that is needed", async () => {
  const { bridge, close } = await startFakeBuildkit({ capabilities: ["solve.base", "gateway.exec"] });
  onTestFinished(close);
  await expect(readEngine(bridge)).rejects.toMatchObject({
    name: "EngineError",
    message: expect.stringContaining("Docker Engine 24"),
  });
});

test("an engine in between is taken, and the variables that it may not have are named", async () => {
  const { bridge, close } = await startFakeBuildkit({ capabilities: ["gateway.evaluate"] });
  onTestFinished(close);
  await expect(readEngine(bridge)).resolves.toEqual({
    unsure: ["TARGETSTAGE", "TARGETOSVERSION", "BUILDOSVERSION"],
    attestations: false,
  });
});

test("an engine says whether results may have attestations", async () => {
  const { bridge, close } = await startFakeBuildkit({
    capabilities: ["gateway.evaluate", "file.symlink.create", "reference.attestations"],
  });
  onTestFinished(close);
  await expect(readEngine(bridge)).resolves.toEqual({ unsure: [], attestations: true });
});

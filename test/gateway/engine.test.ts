// SPDX-License-Identifier: Apache-2.0
import { expect, onTestFinished, test } from "vitest";
import { refuseOldEngine } from "../../src/gateway/engine.ts";
import { startFakeBuildkit } from "./fake-buildkit.ts";

test("an engine that is new enough is taken", async () => {
  const { bridge, close } = await startFakeBuildkit();
  onTestFinished(close);
  await expect(refuseOldEngine(bridge)).resolves.toBeUndefined();
});

// The capabilities of Docker 20.10 that matter here: its conversion knows neither named contexts nor heredocs.
test("an old engine is refused, with the one that is needed", async () => {
  const { bridge, close } = await startFakeBuildkit({ capabilities: ["solve.base", "gateway.exec"] });
  onTestFinished(close);
  await expect(refuseOldEngine(bridge)).rejects.toMatchObject({
    name: "EngineError",
    message: expect.stringContaining("Docker Engine 24"),
  });
});

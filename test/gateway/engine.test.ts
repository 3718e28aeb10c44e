// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { moby } from "../../gen/gateway.js";
import { readEngine } from "../../src/gateway/engine.ts";

function pong(...capabilities: string[]): Uint8Array {
  const FrontendAPICaps = capabilities.map((ID) => ({ ID, Enabled: true }));
  return moby.buildkit.v1.frontend.PongResponse.encode({ FrontendAPICaps }).finish();
}

test("an engine that is new enough is taken", () => {
  expect(readEngine(pong("gateway.evaluate"))).toEqual({ attestations: false });
});

// The capabilities of Docker 20.10 that matter here: it does not tell a frontend which image it runs from.
test("an old engine is refused, with the one that is needed", () => {
  expect(() => readEngine(pong("solve.base", "gateway.exec"))).toThrow("Docker Engine 24");
});

test("an engine says whether results may have attestations", () => {
  expect(readEngine(pong("gateway.evaluate", "reference.attestations"))).toEqual({ attestations: true });
});

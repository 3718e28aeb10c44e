// SPDX-License-Identifier: Apache-2.0
import { moby } from "../../gen/gateway.js";

const { PongResponse } = moby.buildkit.v1.frontend;

/** An engine that is too old for us. */
export class EngineError extends Error {
  override readonly name = "EngineError";
}

/** Came to BuildKit after its frontends had learnt which image they run from, which a courier needs. */
const NEEDED = "gateway.evaluate";
const ATTESTATIONS = "reference.attestations";

/** What depends on the engine. */
export interface Engine {
  /** Whether results may have attestations about the image. */
  readonly attestations: boolean;
}

/** Reads BuildKit's encoded answer to a Ping. Throws EngineError for an engine that is too old. */
export function readEngine(pong: Uint8Array): Engine {
  const { FrontendAPICaps: gateway } = PongResponse.decode(pong);
  const has = (id: string): boolean => (gateway ?? []).some(({ ID, Enabled }) => ID === id && Enabled);
  if (!has(NEEDED)) {
    throw new EngineError(
      "this BuildKit is too old for its builds to be judged; Docker Engine 24 or newer is needed",
    );
  }
  return { attestations: has(ATTESTATIONS) };
}

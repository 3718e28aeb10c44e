// SPDX-License-Identifier: Apache-2.0
import type { Bridge } from "./bridge.ts";

/** An engine that is too old for a judgement to mean anything. */
export class EngineError extends Error {
  override readonly name = "EngineError";
}

/**
 * Came to BuildKit after the Dockerfile conversion had learnt named contexts and heredocs. An older conversion reads
 * a Dockerfile otherwise than we do, and ignores what we put in place of base images.
 */
const NEEDED = "gateway.evaluate";

/** Came after the automatic variables below, each of which a FROM line may use. */
const WITH_NEWER_ARGS = "file.symlink.create";
const NEWER_ARGS = ["TARGETSTAGE", "TARGETOSVERSION", "BUILDOSVERSION"];

/** What of a Dockerfile's language is not sure with an engine. */
export interface Engine {
  /** Automatic variables that its conversion may not have. */
  readonly unsure: readonly string[];
  /** Whether results may have attestations about the image. */
  readonly attestations: boolean;
}

const ATTESTATIONS = "reference.attestations";

/** Throws EngineError for an engine whose conversion we cannot follow, ServiceError when it does not answer. */
export async function readEngine(bridge: Bridge): Promise<Engine> {
  const capabilities = await bridge.capabilities();
  if (!capabilities.has(NEEDED)) {
    throw new EngineError(
      "this BuildKit is too old for its builds to be judged; Docker Engine 24 or newer is needed",
    );
  }
  return {
    unsure: capabilities.has(WITH_NEWER_ARGS) ? [] : NEWER_ARGS,
    attestations: capabilities.has(ATTESTATIONS),
  };
}

// SPDX-License-Identifier: Apache-2.0
import type { Bridge } from "../gateway/bridge.ts";
import type { Trace } from "../gateway/trace.ts";
import { build } from "./build.ts";
import { type BuildStart, type Setup, setUp } from "./setup.ts";

/** What to return to BuildKit: an encoded Result, or an encoded google.rpc.Status. */
export type Answer = { readonly result: Uint8Array } | { readonly error: Uint8Array };

/**
 * Judges a build and has an answer to it, whatever happens; `shipped` is the directory that this program lies in, with
 * all that belongs to it. Never throws.
 */
export async function answerBuild(start: BuildStart, shipped: string): Promise<Answer> {
  let setup: Setup | undefined;
  try {
    setup = setUp(start, shipped);
    return { result: await build(start, setup) };
  } catch (error) {
    const { failureStatus } = await import("./judging.ts");
    return { error: failureStatus(error) };
  } finally {
    await setup?.close();
    if (start.trace !== undefined) await showTraceOf(start.bridge, start.trace);
  }
}

async function showTraceOf(bridge: Bridge, trace: Trace): Promise<void> {
  const { showTrace } = await import("./judging.ts");
  // What is told of the build itself comes first.
  await showTrace(bridge, trace).catch(() => undefined);
}

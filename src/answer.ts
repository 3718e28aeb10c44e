// SPDX-License-Identifier: Apache-2.0
import { build } from "./build.ts";
import { type OpenedContext, openContext } from "./check-context.ts";
import { failureStatus } from "./failure.ts";
import type { Bridge } from "./gateway/bridge.ts";
import type { BuildOptions } from "./gateway/options.ts";

/** What to return to BuildKit: an encoded Result, or an encoded google.rpc.Status. */
export type Answer = { readonly result: Uint8Array } | { readonly error: Uint8Array };

/** Judges a build and has an answer to it, whatever happens. Never throws. */
export async function answerBuild(bridge: Bridge, options: BuildOptions): Promise<Answer> {
  let context: OpenedContext | undefined;
  try {
    context = await openContext(bridge, options);
    return { result: await build(bridge, options, context) };
  } catch (error) {
    return { error: failureStatus(error) };
  } finally {
    await context?.close();
  }
}

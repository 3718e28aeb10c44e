// SPDX-License-Identifier: Apache-2.0
import type { FailureCode } from "./protocol.ts";

/** Why the courier has no answer. `channel-broken`: it ended, or it broke the protocol, and is not asked again. */
export class CourierError extends Error {
  override readonly name = "CourierError";
  readonly code: FailureCode | "channel-broken";
  constructor(code: CourierError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The error for a courier that broke the protocol; `what` goes on from "the courier". */
export function channelBroken(what: string): CourierError {
  return new CourierError("channel-broken", `the courier ${what}`);
}

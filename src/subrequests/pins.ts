// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import { textAnswer } from "./text-answer.ts";
import { TEXT_REQUESTS } from "./text-requests.ts";
import { refusalMessage } from "../report/messages.ts";
import { regoData, sourcePolicy, tagPins } from "../report/pins.ts";

/** A request for pins in the form of somebody else's policies. */
export type PinsRequest = "sourcePolicy" | "regoData";

/**
 * The pins of a build for engines that are not ours. Refused images are not among them; then the status is 1, and
 * what is printed without `format=json` is no JSON any more, so that nobody builds by half of the pins.
 */
export function printPins(request: PinsRequest, judgements: readonly Judgement[]): Uint8Array {
  const pins = tagPins(judgements);
  const json = request === "sourcePolicy" ? sourcePolicy(pins) : regoData(pins);
  const refused = judgements.filter(({ outcome }) => outcome === "refuse");
  const text = [
    `${JSON.stringify(json, undefined, 2)}\n`,
    refused.length > 0 ? `\n${refusalMessage(refused)}\n` : "",
  ];
  return textAnswer(TEXT_REQUESTS[request], {
    text: text.join(""),
    json,
    status: refused.length > 0 ? 1 : 0,
  });
}

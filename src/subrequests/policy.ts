// SPDX-License-Identifier: Apache-2.0
import { renderPolicy } from "../policy/policy-text.ts";
import type { EffectivePolicy } from "../policy/policy.ts";
import { textAnswer } from "./text-answer.ts";
import { TEXT_REQUESTS } from "./text-requests.ts";

/** The policy in effect, as the answer to the request for it. */
export function showPolicy(policy: EffectivePolicy): Uint8Array {
  const text = renderPolicy(policy);
  return textAnswer(TEXT_REQUESTS.policy, { text, json: { policy: text }, status: 0 });
}

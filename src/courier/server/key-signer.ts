// SPDX-License-Identifier: Apache-2.0
import type { Signer } from "@sigstore/sign";
import type { SigningKey } from "./signing-key.ts";

/** The payload type of an envelope (DSSE) with an in-toto statement. */
export const PAYLOAD_TYPE = "application/vnd.in-toto+json";

/** Signs with a key whose public half goes into the log. */
export function keySigner(key: SigningKey): Signer {
  return {
    sign: async (bytes) => ({
      signature: key.sign(bytes),
      key: { $case: "publicKey", publicKey: key.publicKey, hint: key.hint },
    }),
  };
}

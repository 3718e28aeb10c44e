// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import * as v from "valibot";

/** What an `intoto` 0.0.2 entry was made of. */
export interface SignedPayload {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** PEM: the certificate that stands for the signing key, or the key itself (SPKI). */
  readonly verifier: string;
}

const Body = v.object({
  kind: v.literal("intoto"),
  apiVersion: v.literal("0.0.2"),
  spec: v.object({
    content: v.object({
      envelope: v.object({
        signatures: v.strictTuple([v.object({ sig: v.string(), publicKey: v.string() })]),
      }),
      payloadHash: v.object({ algorithm: v.literal("sha256"), value: v.string() }),
    }),
  }),
});

/** Whether the body of a log entry is what this payload, signature and key make: each of the three, and nothing beside. */
export function isIntotoBodyOf(body: Uint8Array, { payload, signature, verifier }: SignedPayload): boolean {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return false;
  }
  const parsed = v.safeParse(Body, value);
  if (!parsed.success) return false;
  const { envelope, payloadHash } = parsed.output.spec.content;
  const [{ sig, publicKey }] = envelope.signatures;
  return (
    payloadHash.value === createHash("sha256").update(payload).digest("hex") &&
    // The log encodes what is base64 already once more.
    decode(sig) === Buffer.from(signature).toString("base64") &&
    sameBlock(decode(publicKey), verifier)
  );
}

function decode(base64: string): string {
  return Buffer.from(base64, "base64").toString("utf8");
}

/** Whether two PEM texts are the same block: logs write their lines anew. */
function sameBlock(one: string, other: string): boolean {
  const bare = (pem: string) => pem.replace(/\s+/g, "");
  return bare(one) === bare(other);
}

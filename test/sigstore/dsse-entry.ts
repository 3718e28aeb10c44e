// SPDX-License-Identifier: Apache-2.0
import { sha256Hex, signerIndexKeys, statementIndexKeys, verifyEnvelope } from "./dsse-envelope.ts";
import { decodeBase64, isFields, requiredFields, requiredString, type Fields } from "./json-fields.ts";
import { canonicalBody, type PreparedEntry } from "./prepared-entry.ts";
import { rejected } from "./refusal.ts";
import { parseVerifyingKey } from "./verifying-key.ts";

/** A `dsse` 0.0.1 entry: the envelope arrives as a JSON text beside its keys, and only hashes and signatures are kept; the payload is never stored. */
export function prepareDsse(spec: Fields): PreparedEntry {
  const proposed = requiredFields(spec, "proposedContent");
  const text = requiredString(proposed, "envelope");
  const verifiers = Array.isArray(proposed["verifiers"]) ? proposed["verifiers"] : [];
  const keys = verifiers.map((verifier: unknown) =>
    parseVerifyingKey(decodeBase64(String(verifier), "verifier")),
  );
  const envelope = readEnvelope(text);
  const { payload, keyOf } = verifyEnvelope(envelope, keys);
  const signatures = [...keyOf].toSorted(([left], [right]) => (left < right ? -1 : 1));
  const [payloadHash, envelopeHash] = [sha256Hex(payload), sha256Hex(text)];
  return {
    body: canonicalBody("dsse", "0.0.1", {
      envelopeHash: { algorithm: "sha256", value: envelopeHash },
      payloadHash: { algorithm: "sha256", value: payloadHash },
      signatures: signatures.map(([signature, key]) => ({
        signature,
        verifier: Buffer.from(key.canonicalPem).toString("base64"),
      })),
    }),
    indexKeys: [
      ...signatures.flatMap(([, key]) => signerIndexKeys(key)),
      `sha256:${payloadHash}`,
      `sha256:${envelopeHash}`,
      ...statementIndexKeys(envelope.payloadType, payload),
    ],
  };
}

function readEnvelope(text: string): {
  readonly payload: string;
  readonly payloadType: string;
  readonly signatures: readonly string[];
} {
  let envelope: unknown;
  try {
    envelope = JSON.parse(text);
  } catch {
    throw rejected("the envelope is not JSON");
  }
  const fields = isFields(envelope) ? envelope : {};
  const list = Array.isArray(fields["signatures"]) ? fields["signatures"] : [];
  if (list.length === 0) throw rejected("DSSE envelope must contain 1 or more signatures");
  return {
    payload: requiredString(fields, "payload"),
    payloadType: requiredString(fields, "payloadType"),
    signatures: list.map((item: unknown) => requiredString(isFields(item) ? item : {}, "sig")),
  };
}

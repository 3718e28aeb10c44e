// SPDX-License-Identifier: Apache-2.0
import { decodeBase64, isFields, requiredFields, requiredString, type Fields } from "./json-fields.ts";
import { canonicalBody, type PreparedEntry } from "./prepared-entry.ts";
import { verifiesP256Digest } from "./prehashed-ecdsa.ts";
import { rejected } from "./refusal.ts";
import { keyDigest, parseVerifyingKey } from "./verifying-key.ts";

/**
 * A `hashedrekord` 0.0.1 entry: digest, signature over it, and key. Only sha256 digests signed by P-256 keys are taken
 * here; the real server knows more algorithms.
 */
export function prepareHashedrekord(spec: Fields): PreparedEntry {
  const signature = requiredFields(spec, "signature");
  const hash = isFields(requiredFields(spec, "data")["hash"])
    ? requiredFields(requiredFields(spec, "data"), "hash")
    : undefined;
  if (hash === undefined) throw rejected("missing hash");
  const [algorithm, value] = [requiredString(hash, "algorithm"), requiredString(hash, "value")];
  if (algorithm !== "sha256")
    throw rejected(`hash algorithm '${algorithm.slice(0, 20)}' is not supported here`);
  if (!/^[0-9a-f]{64}$/.test(value)) throw rejected("invalid value for hash");
  const content = decodeBase64(requiredString(signature, "content"), "signature content");
  const pem = decodeBase64(
    requiredString(requiredFields(signature, "publicKey"), "content"),
    "public key content",
  );
  const key = parseVerifyingKey(pem);
  if (!verifiesP256Digest(key.key, Buffer.from(value, "hex"), content)) {
    throw rejected("verifying signature: invalid signature when validating ASN.1 encoded signature");
  }
  return {
    body: canonicalBody("hashedrekord", "0.0.1", {
      data: { hash: { algorithm, value } },
      signature: {
        content: content.toString("base64"),
        publicKey: { content: Buffer.from(key.canonicalPem).toString("base64") },
      },
    }),
    // No "sha256:" before the key's digest: this kind alone is found by the search for a public key.
    indexKeys: [keyDigest(key), ...key.subjects, `sha256:${value}`],
  };
}

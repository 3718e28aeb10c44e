// SPDX-License-Identifier: Apache-2.0
import { sha256Hex, signerIndexKeys, statementIndexKeys, verifyEnvelope } from "./dsse-envelope.ts";
import { decodeBase64, isFields, requiredFields, requiredString, type Fields } from "./json-fields.ts";
import { canonicalBody, type PreparedEntry } from "./prepared-entry.ts";
import { invalid, Refusal, rejected } from "./refusal.ts";
import { parseVerifyingKey } from "./verifying-key.ts";

/**
 * Payloads above this are logged but not stored: the real server's default `max_attestation_size`, bytes. It compares
 * the size rounded up to a multiple of three, so that 102399 is the largest payload it stores.
 */
export const MAX_ATTESTATION_BYTES = 100 * 1024;

/**
 * An `intoto` 0.0.2 entry: payload and signatures arrive in double base64, every signature with its key in PEM. The
 * body keeps all but the payload, which goes to attestation storage; `hash` is the client's word and never checked.
 */
export function prepareIntoto(spec: Fields): PreparedEntry {
  const content = requiredFields(spec, "content");
  const envelope = requiredFields(content, "envelope");
  const payloadType = requiredString(envelope, "payloadType");
  const signatures = readSignatures(envelope["signatures"]);
  const payload = typeof envelope["payload"] === "string" ? decodeBase64(envelope["payload"], "payload") : "";
  if (payload.length === 0) throw rejected("entry not insertable into log: missing envelope content");
  if (payloadType === "") throw rejected("entry not insertable into log: missing payloadType content");

  const keys = signatures.map((signature) => parseVerifyingKey(signature.publicKey));
  const inner = payload.toString();
  const verified = verifyEnvelope(
    { payload: inner, payloadType, signatures: signatures.map(({ sig }) => sig.toString()) },
    keys,
  );
  const payloadHash = sha256Hex(verified.payload);
  const body = canonicalBody("intoto", "0.0.2", {
    content: {
      envelope: { payloadType, signatures: signatures.map((signature) => stored(signature)) },
      hash: readHash(content),
      payloadHash: { algorithm: "sha256", value: payloadHash },
    },
  });
  const key = `sha256:${payloadHash}`;
  const indexKeys = [
    ...keys.flatMap((signer) => signerIndexKeys(signer)),
    key,
    ...statementIndexKeys(payloadType, verified.payload),
  ];
  // Go measures the decoded length without looking at the padding.
  const measured = Math.floor(inner.length / 4) * 3;
  const attestation = measured > MAX_ATTESTATION_BYTES ? { key } : { key, data: verified.payload };
  return { body, indexKeys, attestation };
}

interface SubmittedSignature {
  readonly keyid: string;
  readonly sig: Buffer;
  readonly publicKey: Buffer;
}

function readSignatures(value: unknown): readonly SubmittedSignature[] {
  if (!Array.isArray(value)) throw invalid(602, "signatures in body is required");
  if (value.length === 0) throw invalid(612, "signatures in body should have at least 1 items");
  return value.map((item: unknown) => {
    const fields = isFields(item) ? item : {};
    return {
      keyid: typeof fields["keyid"] === "string" ? fields["keyid"] : "",
      sig: decodeBase64(requiredString(fields, "sig"), "signature"),
      publicKey: decodeBase64(requiredString(fields, "publicKey"), "public key"),
    };
  });
}

function stored({ keyid, sig, publicKey }: SubmittedSignature): Fields {
  return {
    ...(keyid === "" ? {} : { keyid }),
    sig: sig.toString("base64"),
    publicKey: publicKey.toString("base64"),
  };
}

function readHash(content: Fields): Fields {
  if (!isFields(content["hash"])) {
    throw new Refusal("rejected", "error generating canonicalized entry", { status: 500 });
  }
  const algorithm = requiredString(content["hash"], "algorithm");
  if (algorithm !== "sha256") throw invalid(606, "algorithm in body should be one of [sha256]");
  return { algorithm, value: requiredString(content["hash"], "value") };
}

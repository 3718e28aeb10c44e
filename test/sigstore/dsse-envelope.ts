// SPDX-License-Identifier: Apache-2.0
import { dsse } from "@sigstore/core";
import { createHash } from "node:crypto";
import { decodeBase64, isFields } from "./json-fields.ts";
import { rejected } from "./refusal.ts";
import { keyDigest, verifies, type VerifyingKey } from "./verifying-key.ts";

/** A DSSE envelope as submitted: payload and signatures still in base64. */
export interface SubmittedEnvelope {
  readonly payload: string;
  readonly payloadType: string;
  readonly signatures: readonly string[];
}

/** Checks that every signature verifies under one of the keys and every key verifies one; returns the payload and each signature's key. Refusal 400 otherwise. */
export function verifyEnvelope(
  envelope: SubmittedEnvelope,
  keys: readonly VerifyingKey[],
): { readonly payload: Buffer; readonly keyOf: ReadonlyMap<string, VerifyingKey> } {
  const payload = decodeBase64(envelope.payload, "envelope payload");
  const signed = dsse.preAuthEncoding(envelope.payloadType, payload);
  const keyOf = new Map<string, VerifyingKey>();
  for (const key of keys) {
    const own = envelope.signatures.filter((text) =>
      verifies(key.key, signed, decodeBase64(text, "signature")),
    );
    if (own.length === 0) {
      throw rejected(
        "could not verify envelope: accepted signatures do not match threshold, Found: 0, Expected 1",
      );
    }
    for (const text of own) keyOf.set(text, key);
  }
  if (envelope.signatures.some((text) => !keyOf.has(text))) {
    throw rejected("all signatures must have a key that verifies it");
  }
  return { payload, keyOf };
}

/** The index keys of whoever signed: hash of the PEM, then the names in the certificate. */
export function signerIndexKeys(key: VerifyingKey): readonly string[] {
  return [`sha256:${keyDigest(key)}`, ...key.subjects];
}

/** The index keys of an in-toto statement: the digests of its subjects and of its predicate's materials. Other payload types have none. */
export function statementIndexKeys(payloadType: string, payload: Buffer): readonly string[] {
  if (payloadType !== "application/vnd.in-toto+json") return [];
  let statement: unknown;
  try {
    statement = JSON.parse(payload.toString("utf8"));
  } catch {
    return []; // The real server logs this and keeps the entry, unindexed.
  }
  if (!isFields(statement)) return [];
  const predicate = statement["predicate"];
  return [...digests(statement["subject"]), ...(isFields(predicate) ? digests(predicate["materials"]) : [])];
}

/** Hex sha256, as bodies hold it. */
export function sha256Hex(bytes: Buffer | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function digests(list: unknown): readonly string[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((item: unknown) => {
    const digest = isFields(item) ? item["digest"] : undefined;
    return isFields(digest)
      ? Object.entries(digest).map(([algorithm, value]) => `${algorithm}:${String(value)}`)
      : [];
  });
}

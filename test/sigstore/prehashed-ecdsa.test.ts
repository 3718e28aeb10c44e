// SPDX-License-Identifier: Apache-2.0
import { createHash, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from "node:crypto";
import { expect, test } from "vitest";
import { verifiesP256Digest } from "./prehashed-ecdsa.ts";
import { newSigningKey } from "./signed-statement.ts";

const privateKey = newSigningKey();
const publicKey = createPublicKey(privateKey);
const digest = createHash("sha256").update("signed").digest();
const signature = sign("sha256", Buffer.from("signed"), privateKey);

test("accepts what node:crypto signs, for many keys and texts", () => {
  for (let i = 0; i < 20; i++) {
    const key = newSigningKey();
    const text = Buffer.from(`text ${i}`);
    const made = sign("sha256", text, key);
    const hash = createHash("sha256").update(text).digest();
    expect(verifiesP256Digest(createPublicKey(key), hash, made)).toBe(true);
  }
});

test("agrees with node:crypto on every changed byte of a signature", () => {
  for (let at = 0; at < signature.length; at++) {
    const changed = Buffer.from(signature);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    expect(verifiesP256Digest(publicKey, digest, changed)).toBe(verifyOrFalse(changed));
  }
});

test.for<{ row: string; key?: KeyObject; digest?: Buffer; signature?: Buffer }>([
  { row: "another digest", digest: createHash("sha256").update("other").digest() },
  { row: "a digest of another length", digest: createHash("sha384").update("signed").digest() },
  { row: "another key", key: createPublicKey(newSigningKey()) },
  { row: "a key on another curve", key: generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey },
  { row: "an Ed25519 key", key: generateKeyPairSync("ed25519").publicKey },
  { row: "an empty signature", signature: Buffer.alloc(0) },
  { row: "a signature of zeros", signature: Buffer.from("3006020100020100", "hex") },
  { row: "a signature that is not ASN.1", signature: Buffer.from("not a signature") },
])("refuses $row", (row) => {
  expect(verifiesP256Digest(row.key ?? publicKey, row.digest ?? digest, row.signature ?? signature)).toBe(
    false,
  );
});

function verifyOrFalse(changed: Buffer): boolean {
  try {
    return verify("sha256", Buffer.from("signed"), publicKey, changed);
  } catch {
    return false;
  }
}

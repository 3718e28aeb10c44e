// SPDX-License-Identifier: Apache-2.0
import { createHash, createPublicKey, sign, type KeyObject } from "node:crypto";

/** Whoever signs checkpoints: the name on the signature line, the key's identifier, and the private key. */
export interface NoteSigner {
  readonly name: string;
  /** The log's identifier (32 bytes); its first four are the hint on the signature line. */
  readonly keyId: Buffer;
  readonly privateKey: KeyObject;
}

/** The signer of a Rekor v1 log: an ECDSA key, identified by sha256 of its SubjectPublicKeyInfo. */
export function ecdsaNoteSigner(name: string, privateKey: KeyObject): NoteSigner {
  return { name, privateKey, keyId: createHash("sha256").update(spki(privateKey)).digest() };
}

/** The signer of a Rekor v2 log: an Ed25519 key, identified by sha256(name, newline, 0x01, the 32 key bytes) as C2SP signed-note says. */
export function ed25519NoteSigner(name: string, privateKey: KeyObject): NoteSigner {
  const raw = spki(privateKey).subarray(-32);
  const keyId = createHash("sha256")
    .update(name)
    .update("\n")
    .update(Buffer.from([1]))
    .update(raw)
    .digest();
  return { name, privateKey, keyId };
}

/** A C2SP checkpoint (origin, size, base64 root, each on a line), an empty line, and one signature line. */
export function signCheckpoint(
  checkpoint: { readonly origin: string; readonly size: number; readonly root: Buffer },
  signer: NoteSigner,
): string {
  const text = `${checkpoint.origin}\n${checkpoint.size}\n${checkpoint.root.toString("base64")}\n`;
  const signature = signBytes(Buffer.from(text), signer.privateKey);
  const line = Buffer.concat([signer.keyId.subarray(0, 4), signature]).toString("base64");
  return `${text}\n\u2014 ${signer.name} ${line}\n`;
}

/** Signs with the digest Sigstore uses for the key: none for Ed25519, sha256 (and a DER signature) for ECDSA. */
export function signBytes(bytes: Buffer, privateKey: KeyObject): Buffer {
  return sign(privateKey.asymmetricKeyType === "ed25519" ? null : "sha256", bytes, privateKey);
}

/** The DER SubjectPublicKeyInfo of a key pair, given either half. */
export function spki(key: KeyObject): Buffer {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return publicKey.export({ type: "spki", format: "der" });
}

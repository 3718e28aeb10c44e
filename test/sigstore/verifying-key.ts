// SPDX-License-Identifier: Apache-2.0
import { pem } from "@sigstore/core";
import { createHash, createPublicKey, verify, X509Certificate, type KeyObject } from "node:crypto";
import { rejected } from "./refusal.ts";

/** The key that verifies a submitted signature, as Rekor reads it out of a PEM block. */
export interface VerifyingKey {
  readonly key: KeyObject;
  /** The block, encoded anew: what Rekor hashes for its index. */
  readonly canonicalPem: string;
  /** The certificate's subject alternative names; empty for a bare key. */
  readonly subjects: readonly string[];
}

const UNREADABLE = "could not parse public key as x509: invalid public key";
const BLOCK = /^-----BEGIN (PUBLIC KEY|CERTIFICATE)-----\n([A-Za-z0-9+/=\n]+)\n-----END \1-----$/;

/**
 * Reads one PEM block with a public key or a certificate. Refusal 400 for anything else, and for a chain of
 * certificates, which the real server takes.
 */
export function parseVerifyingKey(bytes: Buffer): VerifyingKey {
  const match = BLOCK.exec(bytes.toString("utf8").replaceAll("\r\n", "\n").trim());
  const [, type, base64] = match ?? [];
  if (type === undefined || base64 === undefined) throw rejected(`${UNREADABLE}: failure decoding PEM`);
  const der = Buffer.from(base64, "base64");
  try {
    if (type === "CERTIFICATE") {
      const certificate = new X509Certificate(der);
      return {
        key: certificate.publicKey,
        canonicalPem: pem.fromDER(certificate.raw),
        subjects: subjectNames(certificate.subjectAltName ?? ""),
      };
    }
    const key = createPublicKey({ key: der, format: "der", type: "spki" });
    return { key, canonicalPem: key.export({ type: "spki", format: "pem" }).toString(), subjects: [] };
  } catch {
    throw rejected(`${UNREADABLE}: cannot parse the ${type.toLowerCase()}`);
  }
}

/** Whether the signature over these bytes verifies: sha256 for ECDSA and RSA, none for Ed25519, whatever the curve. */
export function verifies(key: KeyObject, signed: Buffer, signature: Buffer): boolean {
  try {
    return verify(key.asymmetricKeyType === "ed25519" ? null : "sha256", signed, key, signature);
  } catch {
    return false; // OpenSSL throws on signatures it cannot even decode.
  }
}

/** Hex sha256 of the canonical PEM: the index key of a signer. */
export function keyDigest(key: VerifyingKey): string {
  return createHash("sha256").update(key.canonicalPem).digest("hex");
}

/** Node prints `URI:a, email:b, IP Address:c`, quoting values with commas as JSON. Other kinds of names are left out. */
function subjectNames(text: string): string[] {
  const names = text.matchAll(/(?:^|, )(?:URI|email|DNS|IP Address):("(?:[^"\\]|\\.)*"|[^,]*)/g);
  return Array.from(names, ([, value = ""]) => (value.startsWith('"') ? String(JSON.parse(value)) : value));
}

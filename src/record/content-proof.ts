// SPDX-License-Identifier: Apache-2.0
import { dsse } from "@sigstore/core";
import { createHash, type KeyObject, verify } from "node:crypto";
import type { Bundle } from "./bundle.ts";
import { type Claim, refusal } from "./claim.ts";
import type { LoggedBody } from "./logged-body.ts";
import { signerName } from "./signer.ts";

/** What Rekor v2 calls the one kind of key that we sign with and it takes. */
const P256 = "PKIX_ECDSA_P256_SHA_256";

/** Proves that the key signed the envelope (DSSE). Throws RecordError ("bad-signature"). */
export function proveSignature({ place, bundle, signer }: Claim, key: KeyObject): void {
  const signature = Buffer.from(bundle.dsseEnvelope.signatures[0].sig, "base64");
  let holds = false;
  try {
    // The hash is that of the key's kind: SHA-256, and none for Ed25519.
    holds = verify(undefined, signedBytes(bundle), key, signature);
  } catch {
    // OpenSSL throws on what it cannot even decode.
  }
  if (!holds) throw refusal(place, "bad-signature", `it is not signed by ${signerName(signer)}`);
}

/**
 * Proves that the log's entry is about this envelope, signature and signer, and about nothing else. Throws RecordError
 * ("wrong-entry").
 *
 * The library compares hash and signature. It does not compare the key, which other tools do: an entry that was logged
 * under another key would prove to them that somebody else signed.
 */
export function proveSameContent({ place, bundle, body }: Claim): void {
  const fail = (why: string) => refusal(place, "wrong-entry", `its log entry is not about it: ${why}`);
  const { kindVersion } = bundle.verificationMaterial.tlogEntries[0];
  if (kindVersion.kind !== body.kind || kindVersion.version !== body.version)
    throw fail(`it is of kind "${body.kind} ${body.version}", and the bundle says another`);
  if (body.signature !== bundle.dsseEnvelope.signatures[0].sig) throw fail("it has another signature");
  if (!isVerifierOf(bundle, body)) throw fail("it has another key or certificate");
  const { payload, payloadType } = bundle.dsseEnvelope;
  switch (body.kind) {
    case "intoto":
      if (payloadType !== body.payloadType) throw fail("it has another payload type");
      if (hashOf(Buffer.from(payload, "base64"), "hex") !== body.payloadHash)
        throw fail("it has another statement");
      break;
    case "dsse":
      if (hashOf(Buffer.from(payload, "base64"), "hex") !== body.payloadHash)
        throw fail("it has another statement");
      break;
    case "hashedrekord":
      if (hashOf(signedBytes(bundle), "base64") !== body.signedHash) throw fail("it has another statement");
      // By this name others choose how the signature is verified.
      if (body.keyDetails !== P256) throw fail(`it says that the key is not of kind ${P256}`);
      break;
  }
}

function isVerifierOf({ verificationMaterial }: Bundle, { verifier }: LoggedBody): boolean {
  if (!("certificate" in verificationMaterial)) return verifier.label === "PUBLIC KEY";
  const { rawBytes } = verificationMaterial.certificate;
  return verifier.label === "CERTIFICATE" && Buffer.from(rawBytes, "base64").equals(verifier.der);
}

/** What the signature is over (DSSE's pre-authentication encoding). */
function signedBytes({ dsseEnvelope }: Bundle): Buffer {
  return dsse.preAuthEncoding(dsseEnvelope.payloadType, Buffer.from(dsseEnvelope.payload, "base64"));
}

function hashOf(bytes: Uint8Array, encoding: "hex" | "base64"): string {
  return createHash("sha256").update(bytes).digest(encoding);
}

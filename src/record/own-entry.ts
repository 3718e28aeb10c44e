// SPDX-License-Identifier: Apache-2.0
import { sha256 } from "../image/digest.ts";
import { LogEntryError, parseLogEntry } from "../log/entry.ts";
import { parseBundle } from "./bundle.ts";
import { placeOf, readKind } from "./candidate.ts";
import { identityOf } from "./certificate.ts";
import { RecordError } from "./error.ts";
import type { Evidence } from "./history.ts";
import { readIntotoBody } from "./logged-body.ts";
import type { TrustedIdentity } from "./signer.ts";

/**
 * Whom the certificate names that signed this statement in one of these; undefined when none has it, or it was signed
 * with a key. What an authority makes of a token's claims is known for certain only from there. Nothing is proven here:
 * that is for the history to do.
 */
export function writtenBy(evidence: readonly Evidence[], statement: Uint8Array): TrustedIdentity | undefined {
  for (const each of evidence) {
    const certificate = certificateOver(each, statement);
    const named = certificate && identityOf(certificate);
    if (named !== undefined) return { kind: "identity", ...named };
  }
  return undefined;
}

/** The certificate (DER) that comes with exactly this statement. */
function certificateOver(evidence: Evidence, statement: Uint8Array): Uint8Array | undefined {
  try {
    switch (evidence.kind) {
      case "entry": {
        const logged = parseLogEntry(evidence.uuid, evidence.entry);
        const { payloadHash, verifier } = readIntotoBody(readKind(logged), placeOf(logged));
        const isSame = sha256(statement) === `sha256:${payloadHash}`;
        return isSame && verifier.label === "CERTIFICATE" ? verifier.der : undefined;
      }
      case "bundle": {
        const { dsseEnvelope, verificationMaterial } = parseBundle(evidence.bundle, evidence.place);
        const isSame = Buffer.from(dsseEnvelope.payload, "base64").equals(statement);
        return isSame && "certificate" in verificationMaterial
          ? Buffer.from(verificationMaterial.certificate.rawBytes, "base64")
          : undefined;
      }
    }
  } catch (error) {
    if (error instanceof RecordError || error instanceof LogEntryError) return undefined;
    throw error;
  }
}

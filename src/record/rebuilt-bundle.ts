// SPDX-License-Identifier: Apache-2.0
import type { LogEntry } from "../log/entry.ts";
import { type Bundle, BUNDLE_MEDIA_TYPE, type BundledEntry, type SignerMaterial } from "./bundle.ts";
import type { IntotoBody } from "./logged-body.ts";

/**
 * Puts the parts that a Rekor v1 log keeps of an `intoto` entry together again to the bundle that was signed; the
 * payload is base64, as the log brings it. Nothing is checked here.
 */
export function rebuildBundle(
  entry: LogEntry,
  body: IntotoBody,
  { payload, signer }: { readonly payload: string; readonly signer: SignerMaterial },
): Bundle {
  return {
    mediaType: BUNDLE_MEDIA_TYPE,
    verificationMaterial: { ...signer, tlogEntries: [bundledEntry(entry, body)] },
    dsseEnvelope: {
      payload,
      payloadType: body.payloadType,
      signatures: [{ sig: body.signature, keyid: body.keyid }],
    },
  };
}

/** An entry as a bundle has it. */
export function bundledEntry(
  { body, integratedTime, logIndex, logID, verification }: LogEntry,
  { kind, version }: { readonly kind: string; readonly version: string },
): BundledEntry {
  const { inclusionProof, signedEntryTimestamp } = verification;
  return {
    logIndex: String(logIndex),
    logId: { keyId: hexToBase64(logID) },
    kindVersion: { kind, version },
    integratedTime: String(integratedTime),
    inclusionPromise: { signedEntryTimestamp },
    inclusionProof: {
      logIndex: String(inclusionProof.logIndex),
      rootHash: hexToBase64(inclusionProof.rootHash),
      treeSize: String(inclusionProof.treeSize),
      hashes: inclusionProof.hashes.map(hexToBase64),
      checkpoint: { envelope: inclusionProof.checkpoint },
    },
    canonicalizedBody: body,
  };
}

function hexToBase64(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64");
}

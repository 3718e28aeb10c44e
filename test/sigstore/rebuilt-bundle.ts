// SPDX-License-Identifier: Apache-2.0
import { pem } from "@sigstore/core";
import { createHash, createPublicKey } from "node:crypto";
import { spki } from "./signed-note.ts";

/** An entry as the v1 API answers it, read with its payload. */
export interface AnsweredEntry {
  readonly body: string;
  readonly integratedTime: number;
  readonly logID: string;
  readonly logIndex: number;
  readonly attestation: { readonly data: string };
  readonly verification: {
    readonly signedEntryTimestamp: string;
    readonly inclusionProof: {
      readonly checkpoint: string;
      readonly hashes: readonly string[];
      readonly logIndex: number;
      readonly rootHash: string;
      readonly treeSize: number;
    };
  };
}

interface IntotoBody {
  readonly kind: string;
  readonly apiVersion: string;
  readonly spec: {
    readonly content: {
      readonly envelope: {
        readonly payloadType: string;
        readonly signatures: readonly [
          { readonly sig: string; readonly publicKey: string; readonly keyid?: string },
        ];
      };
    };
  };
}

/**
 * A Sigstore bundle v0.3 (JSON) out of what the log answers for an `intoto` 0.0.2 entry. It checks nothing: this is the
 * shortest reading of the format, which shows that an answer holds all of a bundle.
 */
export function rebuildBundle(entry: AnsweredEntry) {
  const { kind, apiVersion, spec } = JSON.parse(text(entry.body)) as IntotoBody;
  const { payloadType, signatures } = spec.content.envelope;
  const [{ sig, publicKey, keyid = "" }] = signatures;
  const { inclusionProof, signedEntryTimestamp } = entry.verification;
  const tlogEntry = {
    logIndex: entry.logIndex.toString(),
    logId: { keyId: base64(entry.logID) },
    kindVersion: { kind, version: apiVersion },
    integratedTime: entry.integratedTime.toString(),
    inclusionPromise: { signedEntryTimestamp },
    inclusionProof: {
      logIndex: inclusionProof.logIndex.toString(),
      rootHash: base64(inclusionProof.rootHash),
      treeSize: inclusionProof.treeSize.toString(),
      hashes: inclusionProof.hashes.map((hash) => base64(hash)),
      checkpoint: { envelope: inclusionProof.checkpoint },
    },
    canonicalizedBody: entry.body,
  };
  const tlogEntries: [typeof tlogEntry] = [tlogEntry];
  return {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    dsseEnvelope: {
      payload: entry.attestation.data,
      payloadType,
      signatures: [{ sig: text(sig), keyid }],
    },
    verificationMaterial: { ...signerOf(text(publicKey)), tlogEntries },
  };
}

function signerOf(block: string) {
  return block.includes("BEGIN CERTIFICATE")
    ? { certificate: { rawBytes: pem.toDER(block).toString("base64") } }
    : {
        publicKey: {
          hint: createHash("sha256")
            .update(spki(createPublicKey(block)))
            .digest("base64"),
        },
      };
}

function text(encoded: string): string {
  return Buffer.from(encoded, "base64").toString();
}

function base64(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64");
}

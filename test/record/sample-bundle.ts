// SPDX-License-Identifier: Apache-2.0
import { pem } from "@sigstore/core";
import { createHash } from "node:crypto";
import type { SampleEnvelope, SampleLog } from "./sample-log.ts";

/** A bundle as a tool writes it, for tests to change. */
export interface SampleBundle {
  mediaType: string;
  verificationMaterial: {
    publicKey?: { hint?: string };
    certificate?: { rawBytes: string };
    tlogEntries: [SampleBundledEntry];
    timestampVerificationData?: { rfc3161Timestamps: { signedTimestamp: string }[] };
  };
  dsseEnvelope: { payload: string; payloadType: string; signatures: [{ sig: string; keyid?: string }] };
}

export interface SampleBundledEntry {
  logIndex: string;
  logId: { keyId: string };
  kindVersion: { kind: string; version: string };
  integratedTime: string;
  inclusionPromise?: { signedEntryTimestamp: string } | null;
  inclusionProof: {
    logIndex: string;
    rootHash: string;
    treeSize: string;
    hashes: string[];
    checkpoint: { envelope: string };
  };
  canonicalizedBody: string;
}

const fromHex = (hex: string): string => Buffer.from(hex, "hex").toString("base64");
const encode = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString("base64");

/** Logs an envelope in Rekor v1, as our courier does, and bundles it. */
export function intotoBundle(log: SampleLog, envelope: SampleEnvelope, salt = ""): SampleBundle {
  return bundleOf(log, log.append(envelope, salt).uuid, envelope);
}

/** Logs an envelope in Rekor v1 as `cosign attest-blob` does, which keeps hashes alone, and bundles it. */
export function dsseBundle(log: SampleLog, envelope: SampleEnvelope, salt?: string): SampleBundle {
  const { uuid } = log.log.append({
    apiVersion: "0.0.1",
    kind: "dsse",
    spec: {
      proposedContent: {
        envelope: JSON.stringify({ ...dsseOf(envelope), ...(salt !== undefined && { salt }) }),
        verifiers: envelope.signatures.map((each) => encode(each.pem)),
      },
    },
  });
  return bundleOf(log, uuid, envelope);
}

/** The bundle of an entry that is in a Rekor v1 log already, with the proof that holds now. */
export function bundleOf(log: SampleLog, uuid: string, envelope: SampleEnvelope): SampleBundle {
  const entry = log.log.byUuid(uuid);
  if (entry === undefined) throw new Error(`the log has no entry "${uuid}"`);
  const { body, integratedTime, logID, logIndex, verification } = log.found(entry).entry;
  const { inclusionProof, signedEntryTimestamp = "" } = verification;
  const { kind, apiVersion } = JSON.parse(entry.body.toString()) as { kind: string; apiVersion: string };
  const logged: SampleBundledEntry = {
    logIndex: String(logIndex),
    logId: { keyId: fromHex(logID) },
    kindVersion: { kind, version: apiVersion },
    integratedTime: String(integratedTime),
    inclusionPromise: { signedEntryTimestamp },
    inclusionProof: {
      logIndex: String(inclusionProof.logIndex),
      rootHash: fromHex(inclusionProof.rootHash),
      treeSize: String(inclusionProof.treeSize),
      hashes: inclusionProof.hashes.map(fromHex),
      checkpoint: { envelope: inclusionProof.checkpoint },
    },
    canonicalizedBody: body,
  };
  return assemble(envelope, { tlogEntries: [logged] });
}

/** The bundle of an envelope, with what proves it. */
export function assemble(
  envelope: SampleEnvelope,
  proof: Pick<SampleBundle["verificationMaterial"], "tlogEntries" | "timestampVerificationData">,
): SampleBundle {
  const bundle: SampleBundle = {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: { ...signerOf(envelope), ...proof },
    dsseEnvelope: dsseOf(envelope),
  };
  // As when it is read from a file, so that no two bundles share a part.
  return JSON.parse(JSON.stringify(bundle)) as SampleBundle;
}

function dsseOf({ payload, payloadType, signatures }: SampleEnvelope): SampleBundle["dsseEnvelope"] {
  const [signature] = signatures;
  if (signature === undefined) throw new Error("the envelope is not signed");
  const { sig, keyid = "" } = signature;
  return { payload: encode(payload), payloadType, signatures: [{ sig: encode(sig), keyid }] };
}

function signerOf({
  signatures,
}: SampleEnvelope): Pick<SampleBundle["verificationMaterial"], "publicKey" | "certificate"> {
  const der = pem.toDER(signatures[0]?.pem ?? "");
  return signatures[0]?.pem.includes("CERTIFICATE") === true
    ? { certificate: { rawBytes: encode(der) } }
    : { publicKey: { hint: createHash("sha256").update(der).digest("base64") } };
}

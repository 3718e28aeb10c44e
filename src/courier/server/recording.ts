// SPDX-License-Identifier: Apache-2.0
import { dsse, json } from "@sigstore/core";
import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import { BUNDLE_MEDIA_TYPE, leafHash } from "../../log/entry.ts";
import { LogError, type AskLog, type LogCall } from "../../log/json-api.ts";
import {
  appendEntry,
  isIntotoBodyOf,
  type RawEntry,
  sameLeaf,
  type SignedPayload,
} from "../../log/rekor-v1.ts";
import { appendHashedRecord, type HashedRecord, type TransparencyLogEntry } from "../../log/rekor-v2.ts";
import { shownUrl } from "./http.ts";
import { fieldsOf } from "./json-fields.ts";
import { PAYLOAD_TYPE, type Signed, type Signer } from "./signers.ts";
import { timestampOf } from "./timestamp.ts";

/** A statement to be recorded. */
export interface Recording extends LogCall {
  /** The exact bytes of the in-toto statement. */
  readonly statement: Uint8Array;
  readonly signer: Signer;
}

/**
 * Signs the statement (DSSE), appends it to the log as an `intoto` 0.0.2 entry, which keeps the statement too, and
 * gives the entry as the log answers it; of an entry that the log has already, that one. Throws LogError, Failure, and what the
 * signer throws.
 */
export async function recordStatement(
  ask: AskLog,
  { log, statement, signer, signal }: Recording,
): Promise<RawEntry> {
  const { signature, verifier } = await signer.sign(
    dsse.preAuthEncoding(PAYLOAD_TYPE, Buffer.from(statement)),
  );
  const signed = {
    payload: statement,
    signature,
    verifier: "publicKey" in verifier ? verifier.publicKey : verifier.certificate,
  };
  const { uuid, entry } = await appendEntry(ask, { log, signal, proposal: intotoEntry(signed) });

  const wrong = (why: string) =>
    new LogError(
      "bad-answer",
      `POST ${shownUrl(new URL("api/v1/log/entries", log))}: the log answered ${why}`,
    );
  const { body: text } = fieldsOf(entry);
  const body = Buffer.from(typeof text === "string" ? text : "", "base64");
  if (!isIntotoBodyOf(body, signed)) throw wrong("for another entry than the one it was sent");
  const leaf = leafHash(body.toString("base64"));
  if (!sameLeaf(uuid, leaf)) throw wrong(`UUID "${uuid}" for the entry whose leaf hash is "${leaf}"`);
  return { uuid, entry };
}

/** What the log's API takes: base64 twice, and hashes of the payload and of the canonical envelope. */
function intotoEntry({ payload, signature, verifier }: SignedPayload): object {
  const base64 = (bytes: Uint8Array | string) => Buffer.from(bytes).toString("base64");
  const hashOf = (bytes: Uint8Array | string) => ({
    algorithm: "sha256",
    value: createHash("sha256").update(bytes).digest("hex"),
  });
  // Without key id: cosign and sigstore-go find no signature under an id that they do not know.
  const once = {
    payloadType: PAYLOAD_TYPE,
    payload: base64(payload),
    signatures: [{ sig: base64(signature), publicKey: verifier }],
  };
  const envelope = {
    payloadType: PAYLOAD_TYPE,
    payload: base64(once.payload),
    signatures: once.signatures.map(({ sig }) => ({ sig: base64(sig), publicKey: base64(verifier) })),
  };
  return {
    apiVersion: "0.0.2",
    kind: "intoto",
    spec: { content: { envelope, hash: hashOf(json.canonicalize(once)), payloadHash: hashOf(payload) } },
  };
}

/** A statement to be recorded in a Rekor v2 log. */
export interface BundleRecording extends Recording {
  /** URLs of timestamp authorities, at least one. */
  readonly timestamps: readonly string[];
}

/**
 * Signs the statement (DSSE), has the signature timestamped, appends its hash to the log, and gives the bundle v0.3
 * (JSON) with all of it. The log keeps the hash alone: this bundle is the only copy. Throws LogError, Failure, and what the
 * signer throws.
 */
export async function recordBundle(ask: AskLog, recording: BundleRecording): Promise<object> {
  const { log, timestamps, statement, signer, signal } = recording;
  if (timestamps.length === 0) {
    throw new LogError(
      "refused",
      `write to ${log.href}: a Rekor v2 log proves no time, so a record in it takes a timestamp authority, and none is named; name one in the signing config, or write to a Rekor v1 log`,
    );
  }
  const signed = dsse.preAuthEncoding(PAYLOAD_TYPE, Buffer.from(statement));
  for (let attempt = 1; ; attempt++) {
    const { signature, verifier: made } = await signer.sign(signed);
    const timestamp = await timestampOf(ask, { authorities: timestamps, signature, signal });
    const verifier = inDer(made);
    const digest = createHash("sha256").update(signed).digest();
    try {
      const entry = await appendHashedRecord(ask, { log, signal, record: { digest, signature, verifier } });
      return bundleOf({ statement, signature, verifier, timestamp, entry });
    } catch (error) {
      // An answer was lost, and the log does not repeat it. Each signature differs, and so does its entry.
      if (attempt > 1 || !(error instanceof LogError && error.status === 409)) throw error;
    }
  }
}

function inDer(verifier: Signed["verifier"]): HashedRecord["verifier"] {
  return "publicKey" in verifier
    ? { publicKey: createPublicKey(verifier.publicKey).export({ type: "spki", format: "der" }) }
    : { certificate: new X509Certificate(verifier.certificate).raw };
}

interface BundleParts {
  readonly statement: Uint8Array;
  readonly signature: Uint8Array;
  readonly verifier: HashedRecord["verifier"];
  readonly timestamp: Uint8Array;
  readonly entry: TransparencyLogEntry;
}

function bundleOf({ statement, signature, verifier, timestamp, entry }: BundleParts): object {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  const signer =
    "certificate" in verifier
      ? { certificate: { rawBytes: base64(verifier.certificate) } }
      : { publicKey: { hint: createHash("sha256").update(verifier.publicKey).digest("base64") } };
  return {
    mediaType: BUNDLE_MEDIA_TYPE,
    verificationMaterial: {
      ...signer,
      // A v2 log says no time, and readers of protobuf's JSON take a missing one for this.
      tlogEntries: [{ ...entry, integratedTime: "0" }],
      timestampVerificationData: { rfc3161Timestamps: [{ signedTimestamp: base64(timestamp) }] },
    },
    dsseEnvelope: {
      payload: base64(statement),
      payloadType: PAYLOAD_TYPE,
      // Without key id: cosign and sigstore-go find no signature under an id that they do not know.
      signatures: [{ sig: base64(signature), keyid: "" }],
    },
  };
}

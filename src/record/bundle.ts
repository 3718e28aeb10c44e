// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import {
  BUNDLE_MEDIA_TYPE,
  CheckpointText,
  type LogEntry,
  MAX_BODY_LENGTH,
  MAX_PROOF_HASHES,
} from "../log/entry.ts";
import { base64Text, conform } from "../log/foreign-json.ts";
import { RecordError } from "./error.ts";
import type { IntotoBody } from "./logged-body.ts";
import { MAX_STATEMENT_BYTES } from "./statement.ts";

/** Characters of base64; a certificate of Fulcio has less than 2 KiB, a timestamp with its chain less than 8. */
const MAX_CERTIFICATE_LENGTH = 16 * 1024;
const MAX_TIMESTAMP_LENGTH = 32 * 1024;
const MAX_TIMESTAMPS = 4;
const MAX_SHORT_LENGTH = 1024;
const MAX_PAYLOAD_LENGTH = Math.ceil(MAX_STATEMENT_BYTES / 3) * 4;

const text = v.pipe(
  v.string(),
  v.maxLength(MAX_SHORT_LENGTH, `is longer than ${MAX_SHORT_LENGTH} characters`),
);
/** As JSON has 64-bit numbers in protocol buffers: text, so that no reader rounds them. */
const number = v.pipe(v.string(), v.regex(/^(?:0|[1-9]\d{0,14})$/, "is not a decimal number"));
// Some writers of this format (Go's `protojson`) leave out what is zero or empty.
const zero = v.optional(number, "0");
const absent = <S extends v.GenericSchema>(schema: S) =>
  v.pipe(
    v.nullish(schema),
    v.transform((value) => value ?? undefined),
  );

const Entry = v.strictObject({
  logIndex: zero,
  logId: v.strictObject({ keyId: base64Text(128) }),
  kindVersion: v.strictObject({ kind: text, version: text }),
  integratedTime: zero,
  inclusionPromise: absent(v.strictObject({ signedEntryTimestamp: base64Text(MAX_SHORT_LENGTH) })),
  inclusionProof: v.strictObject({
    logIndex: zero,
    rootHash: base64Text(64),
    treeSize: number,
    hashes: v.optional(
      v.pipe(
        v.array(base64Text(64)),
        v.maxLength(MAX_PROOF_HASHES, `has more than ${MAX_PROOF_HASHES} hashes`),
      ),
      [],
    ),
    checkpoint: v.strictObject({ envelope: CheckpointText }),
  }),
  canonicalizedBody: base64Text(MAX_BODY_LENGTH),
});

/** One entry of a log in a bundle; numbers are decimal text, bytes are base64. */
export type BundledEntry = v.InferOutput<typeof Entry>;

const Timestamps = v.strictObject({
  rfc3161Timestamps: v.optional(
    v.pipe(
      v.array(v.strictObject({ signedTimestamp: base64Text(MAX_TIMESTAMP_LENGTH) })),
      v.maxLength(MAX_TIMESTAMPS, `has more than ${MAX_TIMESTAMPS} timestamps`),
    ),
    [],
  ),
});

const BundleJson = v.strictObject({
  mediaType: v.pipe(
    v.picklist(
      [BUNDLE_MEDIA_TYPE, "application/vnd.dev.sigstore.bundle+json;version=0.3"],
      "is not that of a Sigstore bundle v0.3",
    ),
    v.transform(() => BUNDLE_MEDIA_TYPE),
  ),
  verificationMaterial: v.pipe(
    v.strictObject({
      // One of two: a name for a public key that the reader has, or the signer's certificate.
      publicKey: v.optional(v.strictObject({ hint: v.optional(text, "") })),
      certificate: v.optional(v.strictObject({ rawBytes: base64Text(MAX_CERTIFICATE_LENGTH) })),
      // Several would leave open which of them is the record, and which was verified.
      tlogEntries: v.strictTuple([Entry]),
      /** RFC 3161 timestamps over the signature (DER). */
      timestampVerificationData: v.pipe(
        absent(Timestamps),
        v.transform((data) => (data?.rfc3161Timestamps.length === 0 ? undefined : data)),
      ),
    }),
    v.check(
      ({ publicKey, certificate }) => (publicKey === undefined) !== (certificate === undefined),
      'has not one of "publicKey" and "certificate"',
    ),
  ),
  dsseEnvelope: v.strictObject({
    payload: base64Text(MAX_PAYLOAD_LENGTH),
    payloadType: text,
    signatures: v.strictTuple([
      v.strictObject({ sig: base64Text(MAX_SHORT_LENGTH), keyid: v.optional(text, "") }),
    ]),
  }),
});

/**
 * A Sigstore bundle v0.3, as JSON, with one envelope that has one signature, and one log entry: the whole evidence of
 * a record, which `cosign` and other Sigstore tools verify without us.
 */
export type Bundle = v.InferOutput<typeof BundleJson>;

/** The signer as a bundle has it. */
export type SignerMaterial = Pick<Bundle["verificationMaterial"], "publicKey" | "certificate">;

/**
 * Reads a bundle, bounded in every part, and fills in what its writer left out. Nothing is proven here. `place` is for
 * messages. Throws RecordError ("malformed").
 */
export function parseBundle(value: unknown, place: string): Bundle {
  const fail = (why: string) => new RecordError("malformed", `read ${place}: ${why}`);
  return conform(BundleJson, value, fail, "bundle");
}

/**
 * Rebuilds the bundle that was signed from the parts that a Rekor v1 log keeps of an `intoto` entry; the payload is base64,
 * as the log brings it. Nothing is checked here.
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

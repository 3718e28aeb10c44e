// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { isCanonicalBase64, type LogEntry } from "../log/entry.ts";
import { excerpt } from "../log/excerpt.ts";
import { RecordError } from "./error.ts";
import { readSignerPem } from "./signer.ts";

const BUNDLE_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const KIND = "intoto";
const API_VERSION = "0.0.2";

/** One entry of a log in a bundle; numbers are decimal text, bytes are base64. */
export interface BundledEntry {
  readonly logIndex: string;
  readonly logId: { readonly keyId: string };
  readonly kindVersion: { readonly kind: string; readonly version: string };
  readonly integratedTime: string;
  readonly inclusionPromise: { readonly signedEntryTimestamp: string };
  readonly inclusionProof: {
    readonly logIndex: string;
    readonly rootHash: string;
    readonly treeSize: string;
    readonly hashes: readonly string[];
    readonly checkpoint: { readonly envelope: string };
  };
  readonly canonicalizedBody: string;
}

/** Who signed, as a bundle has it: a name for a public key that the reader has, or the certificate (DER in base64). */
export type SignerMaterial =
  | { readonly publicKey: { readonly hint: string } }
  | { readonly certificate: { readonly rawBytes: string } };

/**
 * A Sigstore bundle v0.3, as JSON: the whole evidence of a record, which `cosign` and other Sigstore tools verify
 * without us.
 */
export interface Bundle {
  readonly mediaType: string;
  readonly verificationMaterial: SignerMaterial & { readonly tlogEntries: readonly BundledEntry[] };
  readonly dsseEnvelope: {
    readonly payload: string;
    readonly payloadType: string;
    readonly signatures: readonly { readonly sig: string; readonly keyid: string }[];
  };
}

/** What a log keeps of an envelope in the leaf of an `intoto` 0.0.2 entry: all but the payload. */
export interface LoggedEnvelope {
  readonly payloadType: string;
  /** Hex of the payload's sha256. */
  readonly payloadHash: string;
  /** Base64 of the signature. */
  readonly signature: string;
  readonly keyid: string;
  /** The signer's key or certificate, without the chain above it: its PEM label and bytes. */
  readonly verifier: { readonly label: string; readonly der: Uint8Array };
}

const base64 = v.pipe(
  v.string(),
  v.nonEmpty("is empty"),
  v.check(isCanonicalBase64, "is not canonical base64"),
);
const Kind = v.object({ kind: v.string(), apiVersion: v.string() });
const Body = v.object({
  spec: v.object({
    content: v.object({
      envelope: v.object({
        payloadType: v.string(),
        // The format allows several. Then it is open which of them a reader checks, and who the signer is.
        signatures: v.strictTuple([
          v.object({ publicKey: base64, sig: base64, keyid: v.optional(v.string(), "") }),
        ]),
      }),
      payloadHash: v.object({
        algorithm: v.literal("sha256"),
        value: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
      }),
    }),
  }),
});

function decode(text: string): string {
  return Buffer.from(text, "base64").toString("utf8");
}

function malformed(entry: LogEntry, why: string, cause?: unknown): RecordError {
  return new RecordError("malformed", `read the body of log entry "${entry.uuid}": ${why}`, { cause });
}

/** Reads the body of an entry. Throws RecordError: "not-a-sighting" for an entry that is no `intoto` 0.0.2, else "malformed". */
export function readEnvelope(entry: LogEntry): LoggedEnvelope {
  let value: unknown;
  try {
    value = JSON.parse(decode(entry.body));
  } catch (cause) {
    throw malformed(entry, "it is not JSON", cause);
  }
  const kind = v.safeParse(Kind, value);
  if (!kind.success) throw malformed(entry, "it says no kind and version");
  if (kind.output.kind !== KIND || kind.output.apiVersion !== API_VERSION) {
    const found = excerpt(`${kind.output.kind} ${kind.output.apiVersion}`);
    throw new RecordError(
      "not-a-sighting",
      `read the body of log entry "${entry.uuid}": it is of kind "${found}"`,
    );
  }
  const parsed = v.safeParse(Body, value, { abortEarly: true });
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw malformed(entry, `"${v.getDotPath(issue) ?? "body"}": ${excerpt(issue.message, 160)}`);
  }
  const { envelope, payloadHash } = parsed.output.spec.content;
  const [{ publicKey, sig, keyid }] = envelope.signatures;
  const verifier = readSignerPem(decode(publicKey));
  if (verifier === undefined)
    throw malformed(entry, "the signer's key is not one PEM block, and not a chain of certificates");
  // The log encodes what is base64 already once more.
  const signature = decode(sig);
  if (signature === "" || !isCanonicalBase64(signature)) {
    throw malformed(entry, "the signature is not canonical base64 in base64");
  }
  return { payloadType: envelope.payloadType, payloadHash: payloadHash.value, signature, keyid, verifier };
}

function hexToBase64(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64");
}

/**
 * Puts the parts that a log keeps in an entry together again to the bundle that was signed. Nothing is checked here; throws RecordError ("no-payload") when the log did not
 * bring the payload.
 */
export function rebuildBundle(entry: LogEntry, envelope: LoggedEnvelope, signer: SignerMaterial): Bundle {
  const payload = entry.attestation?.data;
  if (payload === undefined) {
    throw new RecordError(
      "no-payload",
      `rebuild the bundle of log entry "${entry.uuid}": its payload is missing`,
    );
  }
  const { inclusionProof, signedEntryTimestamp } = entry.verification;
  return {
    mediaType: BUNDLE_MEDIA_TYPE,
    verificationMaterial: {
      ...signer,
      tlogEntries: [
        {
          logIndex: String(entry.logIndex),
          logId: { keyId: hexToBase64(entry.logID) },
          kindVersion: { kind: KIND, version: API_VERSION },
          integratedTime: String(entry.integratedTime),
          inclusionPromise: { signedEntryTimestamp },
          inclusionProof: {
            logIndex: String(inclusionProof.logIndex),
            rootHash: hexToBase64(inclusionProof.rootHash),
            treeSize: String(inclusionProof.treeSize),
            hashes: inclusionProof.hashes.map(hexToBase64),
            checkpoint: { envelope: inclusionProof.checkpoint },
          },
          canonicalizedBody: entry.body,
        },
      ],
    },
    dsseEnvelope: {
      payload,
      payloadType: envelope.payloadType,
      signatures: [{ sig: envelope.signature, keyid: envelope.keyid }],
    },
  };
}

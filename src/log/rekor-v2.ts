// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import * as v from "valibot";
import { CheckpointText, MAX_PROOF_HASHES } from "./entry.ts";
import { base64Text } from "./foreign-json.ts";
import { askJson, badAnswer, postRequest, type AskLog, type LogCall } from "./json-api.ts";

/** What is to be logged: a digest, a signature over it, and who made that. */
export interface HashedRecord {
  /** sha256 of what was signed. */
  readonly digest: Uint8Array;
  /** ECDSA with P-256, DER. */
  readonly signature: Uint8Array;
  /** DER: the certificate that stands for the signing key, or the key itself (SPKI). */
  readonly verifier: { readonly certificate: Uint8Array } | { readonly publicKey: Uint8Array };
}

/** The API's own limit is 64 KiB for the body; its base64 and the proof come on top. */
const MAX_ANSWER_BYTES = 256 * 1024;
const MAX_BODY_LENGTH = 88 * 1024;
/** The one algorithm that is written: servers take P-256 in their default settings, and no plain Ed25519 in any. */
const KEY_DETAILS = "PKIX_ECDSA_P256_SHA_256";

const index = v.pipe(v.string(), v.regex(/^(?:0|[1-9]\d{0,18})$/));
const hash = base64Text(44);

/** A `TransparencyLogEntry` of Sigstore's `sigstore_rekor.proto` in JSON, as a bundle has it. */
const Entry = v.object({
  logIndex: index,
  logId: v.object({ keyId: hash }),
  kindVersion: v.object({ kind: v.literal("hashedrekord"), version: v.literal("0.0.2") }),
  inclusionProof: v.object({
    logIndex: index,
    rootHash: hash,
    treeSize: index,
    hashes: v.optional(v.pipe(v.array(hash), v.maxLength(MAX_PROOF_HASHES)), []),
    checkpoint: v.object({ envelope: CheckpointText }),
  }),
  canonicalizedBody: base64Text(MAX_BODY_LENGTH),
});

/** An entry of a Rekor v2 log and the proof that it is in there, in the JSON form that bundles have. Not verified. */
export type TransparencyLogEntry = v.InferOutput<typeof Entry>;

const Verifier = v.union([
  v.object({ keyDetails: v.literal(KEY_DETAILS), x509Certificate: v.object({ rawBytes: v.string() }) }),
  v.object({ keyDetails: v.literal(KEY_DETAILS), publicKey: v.object({ rawBytes: v.string() }) }),
]);
const Body = v.object({
  kind: v.literal("hashedrekord"),
  apiVersion: v.literal("0.0.2"),
  spec: v.object({
    hashedRekordV002: v.object({
      data: v.object({ algorithm: v.literal("SHA2_256"), digest: v.string() }),
      signature: v.object({ content: v.string(), verifier: Verifier }),
    }),
  }),
});

/**
 * Appends a `hashedrekord` 0.0.2 entry. The log answers once the entry is in a signed tree, which takes as long as it
 * waits between two of them: 10 seconds and more. What it answers is compared with what was sent. Throws LogError, of
 * status 409 when the log has this very entry already, and what `ask` throws.
 */
export async function appendHashedRecord(
  ask: AskLog,
  { record, ...call }: LogCall & { readonly record: HashedRecord },
): Promise<TransparencyLogEntry> {
  const hashedRekordRequestV002 = requestOf(record);
  const request = postRequest(call, "api/v2/log/entries", {
    body: { hashedRekordRequestV002 },
    maxBytes: MAX_ANSWER_BYTES,
  });
  // When an answer was lost, the next says 409.
  const { value, answer } = await askJson(ask, { ...request, attempts: 3 });
  const entry = v.safeParse(Entry, value);
  if (!entry.success) {
    const [issue] = entry.issues;
    throw badAnswer(request, answer, `is not a log entry: "${v.getDotPath(issue) ?? "it"}" is wrong`);
  }
  if (!isEntryOf(entry.output, hashedRekordRequestV002)) {
    throw badAnswer(request, answer, "is for another entry than the one it was sent");
  }
  return entry.output;
}

interface HashedRekordRequest {
  readonly digest: string;
  readonly signature: { readonly content: string; readonly verifier: v.InferOutput<typeof Verifier> };
}

function requestOf({ digest, signature, verifier }: HashedRecord): HashedRekordRequest {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  return {
    digest: base64(digest),
    signature: {
      content: base64(signature),
      verifier:
        "certificate" in verifier
          ? { keyDetails: KEY_DETAILS, x509Certificate: { rawBytes: base64(verifier.certificate) } }
          : { keyDetails: KEY_DETAILS, publicKey: { rawBytes: base64(verifier.publicKey) } },
    },
  };
}

function isEntryOf(
  { canonicalizedBody }: TransparencyLogEntry,
  { digest, signature }: HashedRekordRequest,
): boolean {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(canonicalizedBody, "base64").toString("utf8"));
  } catch {
    return false;
  }
  const body = v.safeParse(Body, value);
  if (!body.success) return false;
  const { data, signature: logged } = body.output.spec.hashedRekordV002;
  return data.digest === digest && isDeepStrictEqual(logged, signature);
}

// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, test } from "vitest";
import type { SampleBundle, SampleBundledEntry } from "./sample-bundle.ts";
import {
  base64,
  entryOf,
  inTheirKinds,
  judge,
  proofOf,
  refusalOf,
  sampleEvidence,
  signatureOf,
  type SampleEvidence,
} from "../attestation/sample-evidence.ts";

let evidence: SampleEvidence;
beforeAll(async () => {
  evidence = await sampleEvidence();
});

describe("a bundle is refused by its shape, with", () => {
  test.for(
    inTheirKinds([
      {
        row: "the media type of an older bundle",
        change: (bundle) => (bundle.mediaType = "application/vnd.dev.sigstore.bundle+json;version=0.2"),
        code: "malformed",
        says: '"mediaType": is not that of a Sigstore bundle v0.3',
      },
      {
        row: "a field that the format does not have",
        change: (bundle) => Object.assign(entryOf(bundle), { note: 1 }),
        code: "malformed",
        says: "tlogEntries.0.note",
      },
      {
        row: "two log entries",
        change: ({ verificationMaterial }) =>
          Object.assign(verificationMaterial, {
            tlogEntries: [...verificationMaterial.tlogEntries, ...verificationMaterial.tlogEntries],
          }),
        code: "malformed",
        says: "tlogEntries",
      },
      {
        row: "no log entry",
        change: ({ verificationMaterial }) => Object.assign(verificationMaterial, { tlogEntries: [] }),
        code: "malformed",
        says: "tlogEntries",
      },
      {
        row: "no inclusion proof",
        change: (bundle) => delete (entryOf(bundle) as Partial<SampleBundledEntry>).inclusionProof,
        code: "malformed",
        says: "inclusionProof",
      },
      {
        row: "two signatures",
        change: ({ dsseEnvelope }) =>
          Object.assign(dsseEnvelope, {
            signatures: [...dsseEnvelope.signatures, ...dsseEnvelope.signatures],
          }),
        code: "malformed",
        says: "dsseEnvelope.signatures",
      },
      {
        row: "a plain signature in the envelope's place",
        change: (bundle) => {
          delete (bundle as Partial<SampleBundle>).dsseEnvelope;
          Object.assign(bundle, { messageSignature: { messageDigest: {}, signature: "AAAA" } });
        },
        code: "malformed",
      },
      {
        row: "neither key nor certificate",
        change: ({ verificationMaterial }) => delete verificationMaterial.publicKey,
        code: "malformed",
        says: 'not one of "publicKey" and "certificate"',
      },
      {
        row: "both a key and a certificate",
        change: ({ verificationMaterial }) => (verificationMaterial.certificate = { rawBytes: "AAAA" }),
        code: "malformed",
        says: 'not one of "publicKey" and "certificate"',
      },
      {
        row: "a chain of certificates",
        change: ({ verificationMaterial }) => {
          delete verificationMaterial.publicKey;
          Object.assign(verificationMaterial, {
            x509CertificateChain: { certificates: [{ rawBytes: "AAAA" }] },
          });
        },
        code: "malformed",
        says: "x509CertificateChain",
      },
      {
        row: "an index that is a number",
        change: (bundle) => Object.assign(entryOf(bundle), { logIndex: 7 }),
        code: "malformed",
        says: "logIndex",
      },
      {
        row: "an index with a zero before it",
        change: (bundle) => (entryOf(bundle).logIndex = `0${entryOf(bundle).logIndex}`),
        code: "malformed",
        says: "logIndex",
      },
      {
        row: "an index that no number can hold",
        change: (bundle) => (proofOf(bundle).logIndex = "9".repeat(30)),
        code: "malformed",
        says: "logIndex",
      },
      {
        row: "a signature that is not canonical base64",
        change: (bundle) => (signatureOf(bundle).sig += "\n"),
        code: "malformed",
        says: "sig",
      },
      {
        row: "a statement that is too long",
        change: (bundle) => (bundle.dsseEnvelope.payload = base64(Buffer.alloc(70_000))),
        code: "malformed",
        says: "payload",
      },
      {
        row: "65 hashes in the proof",
        change: (bundle) =>
          (proofOf(bundle).hashes = Array.from({ length: 65 }, () => base64(Buffer.alloc(32)))),
        code: "malformed",
        says: "more than 64 hashes",
      },
      {
        row: "a huge checkpoint",
        change: (bundle) => (proofOf(bundle).checkpoint.envelope += "x".repeat(20_000)),
        code: "malformed",
        says: "checkpoint",
      },
      {
        row: "a huge entry",
        change: (bundle) => (entryOf(bundle).canonicalizedBody = "AAAA".repeat(70_000)),
        code: "malformed",
        says: "canonicalizedBody",
      },
      {
        row: "five timestamps",
        change: ({ verificationMaterial }) =>
          (verificationMaterial.timestampVerificationData = {
            rfc3161Timestamps: Array.from({ length: 5 }, () => ({ signedTimestamp: "AAAA" })),
          }),
        code: "malformed",
        says: "more than 4 timestamps",
      },
      {
        row: "an entry that is not JSON",
        change: (bundle) => (entryOf(bundle).canonicalizedBody = base64("<html>")),
        code: "malformed",
        says: "it is not JSON",
      },
      {
        row: "an entry of another kind",
        change: (bundle) =>
          (entryOf(bundle).canonicalizedBody = base64('{"apiVersion":"0.0.1","kind":"rpm","spec":{}}')),
        code: "not-a-sighting",
        says: 'of kind "rpm 0.0.1"',
      },
      {
        row: "another kind than its entry's",
        change: (bundle) => (entryOf(bundle).kindVersion = { kind: "rpm", version: "0.0.1" }),
        code: "wrong-entry",
        says: "and the bundle says another",
      },
    ]),
  )("$row ($kind)", (row) => judge(row, evidence));
});

test.for<{ row: string; value: unknown }>([
  { row: "nothing", value: undefined },
  { row: "null", value: null },
  { row: "a text", value: "{}" },
  { row: "a list", value: [] },
  { row: "an empty bundle", value: {} },
  { row: "a thousand levels", value: JSON.parse(`${"[".repeat(1000)}${"]".repeat(1000)}`) as unknown },
])("$row is no bundle", ({ value }) => {
  const error = refusalOf(value, evidence.context);
  expect(error.code).toBe("malformed");
  expect(error.message).toMatch(/^read the bundle in tlog\.lock:2: .{1,300}$/);
});

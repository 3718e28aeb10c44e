// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, test } from "vitest";
import { proveBundle } from "./prove.ts";
import { certify } from "./sample-identity.ts";
import { signEnvelope } from "./sample-log.ts";
import { pem } from "@sigstore/core";
import {
  CI,
  HASHEDREKORD,
  base64,
  entryOf,
  flip,
  inTheirKinds,
  judge,
  refusalOf,
  sampleEvidence,
  signatureOf,
  stranger,
  type SampleEvidence,
} from "../attestation/sample-evidence.ts";

let evidence: SampleEvidence;
beforeAll(async () => {
  evidence = await sampleEvidence();
});

describe("a bundle is refused that is put together of several, with", () => {
  test.for(
    inTheirKinds([
      {
        row: "another statement",
        change: (bundle, of) => (bundle.dsseEnvelope.payload = evidence.neighbour[of].dsseEnvelope.payload),
        code: "bad-signature",
        says: "not signed by key sha256:",
      },
      {
        row: "another payload type",
        change: ({ dsseEnvelope }) => (dsseEnvelope.payloadType = "application/json"),
        code: "not-a-sighting",
        says: "not an in-toto statement",
      },
      {
        row: "another signature",
        change: (bundle) => (signatureOf(bundle).sig = flip(signatureOf(bundle).sig)),
        code: "bad-signature",
      },
      {
        row: "the envelope of somebody else",
        change: (bundle) => {
          const [foreign] = signEnvelope(evidence.statement(), stranger).signatures;
          signatureOf(bundle).sig = base64(foreign?.sig ?? "");
        },
        code: "bad-signature",
      },
      {
        row: "the whole envelope of another record",
        change: (bundle, of) => (bundle.dsseEnvelope = evidence.neighbour[of].dsseEnvelope),
        code: "wrong-entry",
        says: "it has another signature",
      },
      {
        row: "the entry of another record, with its proof",
        change: ({ verificationMaterial }, of) =>
          (verificationMaterial.tlogEntries = structuredClone(
            evidence.neighbour[of].verificationMaterial.tlogEntries,
          )),
        code: "wrong-entry",
        says: "it has another signature",
      },
      {
        row: "a certificate in the place of the key",
        change: ({ verificationMaterial }, of) => {
          delete verificationMaterial.publicKey;
          verificationMaterial.certificate = evidence.certified[of].verificationMaterial.certificate ?? {
            rawBytes: "",
          };
        },
        code: "wrong-entry",
        says: "another key or certificate",
      },
      {
        row: "a key in the place of the certificate",
        from: () => evidence.certified,
        change: ({ verificationMaterial }) => {
          delete verificationMaterial.certificate;
          verificationMaterial.publicKey = { hint: "key" };
        },
        code: "wrong-entry",
        says: "another key or certificate",
      },
      {
        row: "another certificate of the same identity",
        from: () => evidence.certified,
        change: async ({ verificationMaterial }) => {
          const another = await certify(evidence.authority.issuing, CI);
          verificationMaterial.certificate = { rawBytes: base64(pem.toDER(another.pem)) };
        },
        code: "wrong-entry",
        says: "another key or certificate",
      },
      {
        row: "the entry of somebody who logged the same statement",
        change: async (bundle, of) => {
          const theirs = await evidence.inEveryKind(signEnvelope(evidence.statement(), stranger), "theirs");
          bundle.verificationMaterial.tlogEntries = theirs[of].verificationMaterial.tlogEntries;
        },
        code: "untrusted-signer",
        says: "which is not trusted here",
      },
    ]),
  )("$row ($kind)", (row) => judge(row, evidence));
});

describe("what a Rekor v2 log took in, and is still no record, is refused", () => {
  const body = (): { spec: { hashedRekordV002: { [field: string]: { [field: string]: unknown } } } } =>
    JSON.parse(
      Buffer.from(entryOf(evidence.good[HASHEDREKORD]).canonicalizedBody, "base64").toString(),
    ) as ReturnType<typeof body>;
  test.for<{ row: string; change: (of: ReturnType<typeof body>) => unknown; code: string; says: string }>([
    {
      row: "the hash of another statement",
      change: ({ spec }) =>
        (spec.hashedRekordV002["data"] = { algorithm: "SHA2_256", digest: base64(Buffer.alloc(32)) }),
      code: "wrong-entry",
      says: "it has another statement",
    },
    {
      row: "another kind of hash",
      change: ({ spec }) =>
        (spec.hashedRekordV002["data"] = { algorithm: "SHA2_512", digest: base64(Buffer.alloc(64)) }),
      code: "malformed",
      says: "data.algorithm",
    },
    {
      row: "another kind of key",
      change: ({ spec }) =>
        Object.assign(spec.hashedRekordV002["signature"]?.["verifier"] as object, {
          keyDetails: "PKIX_ECDSA_P384_SHA_384",
        }),
      code: "wrong-entry",
      says: "not of kind PKIX_ECDSA_P256_SHA_256",
    },
    {
      row: "a certificate beside the key",
      change: ({ spec }) =>
        Object.assign(spec.hashedRekordV002["signature"]?.["verifier"] as object, {
          x509Certificate: { rawBytes: "AAAA" },
        }),
      code: "malformed",
      says: "is not one key or certificate",
    },
    {
      row: "an older version of the kind",
      change: (of) => Object.assign(of, { apiVersion: "0.0.1" }),
      code: "not-a-sighting",
      says: 'of kind "hashedrekord 0.0.1"',
    },
  ])("$row", ({ change, code, says }) => {
    const forged = body();
    change(forged);
    const bundle = structuredClone(evidence.good[HASHEDREKORD]);
    bundle.verificationMaterial.tlogEntries = [evidence.v2.force(forged)];
    const error = refusalOf(bundle, evidence.context);
    expect(error.code).toBe(code);
    expect(error.message).toContain(says);
  });

  test("and the very same body in such a tree is not", () => {
    const bundle = structuredClone(evidence.good[HASHEDREKORD]);
    bundle.verificationMaterial.tlogEntries = [evidence.v2.force(body())];
    expect(proveBundle(bundle, evidence.context, "x").strength).toBe("full");
  });
});

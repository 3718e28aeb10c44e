// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, test } from "vitest";
import { RecordError, UNPROVEN } from "../../src/record/error.ts";
import { proveBundle } from "./prove.ts";
import type { SampleBundle } from "./sample-bundle.ts";
import { certify, sampleAuthority, signCertified } from "./sample-identity.ts";
import { signEnvelope } from "./sample-log.ts";
import {
  CI,
  DSSE,
  HASHEDREKORD,
  KINDS,
  base64,
  entryOf,
  proofOf,
  refusalOf,
  sampleEvidence,
  signatureOf,
  stranger,
  timestampsOf,
  type SampleEvidence,
} from "../attestation/sample-evidence.ts";

let evidence: SampleEvidence;
beforeAll(async () => {
  evidence = await sampleEvidence();
});

describe("nobody but a trusted signer can make believe that something is not proven", () => {
  const broken: readonly ((bundle: SampleBundle) => unknown)[] = [
    (bundle) => proofOf(bundle).hashes.pop(),
    (bundle) => (entryOf(bundle).logId.keyId = base64(Buffer.alloc(32))),
    (bundle) => delete bundle.verificationMaterial.timestampVerificationData,
    (bundle) => (proofOf(bundle).checkpoint.envelope = ""),
    (bundle) => delete entryOf(bundle).inclusionPromise,
  ];

  test.for(KINDS)("with a certificate of another authority or without SCT (%s)", async (kind) => {
    const foreign = await sampleAuthority();
    for (const issuing of [foreign.issuing, evidence.authority.unlogged]) {
      const fakes = await evidence.inEveryKind(
        signCertified(evidence.statement(), await certify(issuing, CI)),
        "fake",
      );
      for (const spoil of [() => undefined, ...broken]) {
        const bundle = structuredClone(fakes[kind]);
        spoil(bundle);
        expect(refusalOf(bundle, evidence.context).code).toBe("bad-certificate");
      }
    }
  });

  test.for(KINDS)("with a stranger's signature in the name of a trusted key (%s)", (kind) => {
    for (const spoil of [() => undefined, ...broken]) {
      const bundle = structuredClone(evidence.good[kind]);
      const [foreign] = signEnvelope(evidence.statement(), stranger).signatures;
      signatureOf(bundle).sig = base64(foreign?.sig ?? "");
      spoil(bundle);
      expect(refusalOf(bundle, evidence.context).code).toBe("bad-signature");
    }
  });

  test.for(KINDS)("and what a trusted signer signed counts as not proven (%s)", (kind) => {
    for (const each of [evidence.good, evidence.certified]) {
      for (const spoil of broken) {
        const bundle = structuredClone(each[kind]);
        spoil(bundle);
        try {
          proveBundle(bundle, evidence.context, "x");
          // Without a timestamp there is still the time that Rekor v1 evidence.signed, and the other way round.
          expect([broken[2], broken[4]]).toContain(spoil);
        } catch (error) {
          if (!(error instanceof RecordError)) throw error;
          expect(UNPROVEN).toContain(error.code);
        }
      }
    }
  });
});

describe("a good bundle counts still", () => {
  test.for(KINDS)("with lines of witnesses under its checkpoint (%s)", (kind) => {
    const bundle = structuredClone(evidence.good[kind]);
    const { checkpoint } = proofOf(bundle);
    const line = `\u2014 witness.example.org ${base64(Buffer.alloc(76, 7))}\n`;
    checkpoint.envelope += line.repeat(3);
    expect(proveBundle(bundle, evidence.context, "x").strength).toBe("full");
    checkpoint.envelope = checkpoint.envelope.replace("\n\n", `\n\n${line}`);
    expect(proveBundle(bundle, evidence.context, "x").strength).toBe("full");
  });

  test("of Rekor evidence.v1, with a timestamp too", () => {
    const bundle = structuredClone(evidence.good[DSSE]);
    // The signature is the same in all kinds.
    bundle.verificationMaterial.timestampVerificationData = {
      rfc3161Timestamps: timestampsOf(evidence.good[HASHEDREKORD]),
    };
    expect(proveBundle(bundle, evidence.context, "x").loggedAt).toEqual(evidence.v1.now);
  });
});

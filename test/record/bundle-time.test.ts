// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, test } from "vitest";
import { sampleLogV2 } from "./sample-log-v2.ts";
import {
  HASHEDREKORD,
  INTOTO,
  base64,
  entryOf,
  inTheirKinds,
  judge,
  sampleEvidence,
  signatureOf,
  timestampsOf,
  type SampleEvidence,
} from "../attestation/sample-evidence.ts";

let evidence: SampleEvidence;
beforeAll(async () => {
  evidence = await sampleEvidence();
});

describe("a bundle is refused without proof of its time, with", () => {
  test.for(
    inTheirKinds([
      {
        row: "no timestamp",
        kinds: [HASHEDREKORD],
        change: ({ verificationMaterial }) => delete verificationMaterial.timestampVerificationData,
        code: "bad-timestamp",
        says: "no timestamp of a timestamp authority",
      },
      {
        row: "a time that the log is to have signed",
        kinds: [HASHEDREKORD],
        change: (bundle) =>
          Object.assign(entryOf(bundle), {
            integratedTime: String(evidence.v2.start.getTime() / 1000),
            inclusionPromise: entryOf(evidence.good[INTOTO]).inclusionPromise,
          }),
        code: "bad-timestamp",
        says: "which no Rekor v2 log signs",
      },
      {
        row: "a timestamp over another signature",
        kinds: [HASHEDREKORD],
        change: (bundle) =>
          Object.assign(timestampsOf(bundle), timestampsOf(evidence.neighbour[HASHEDREKORD])),
        code: "bad-timestamp",
        says: "timestamp could not be verified",
      },
      {
        row: "a timestamp over another signature beside the good one",
        change: (bundle) => {
          const timestamps = [...timestampsOf(bundle), ...timestampsOf(evidence.neighbour[HASHEDREKORD])];
          bundle.verificationMaterial.timestampVerificationData = { rfc3161Timestamps: timestamps };
        },
        code: "bad-timestamp",
        says: "timestamp could not be verified",
      },
      {
        row: "a timestamp of an authority that nobody trusts",
        kinds: [HASHEDREKORD],
        change: async (bundle) => {
          const unknown = await sampleLogV2("unknown.example.net");
          const signature = Buffer.from(signatureOf(bundle).sig, "base64");
          Object.assign(timestampsOf(bundle), [{ signedTimestamp: await unknown.timestamp(signature) }]);
        },
        code: "bad-timestamp",
        says: "timestamp could not be verified",
      },
      {
        row: "a timestamp from before the authority's certificate",
        kinds: [HASHEDREKORD],
        change: async (bundle) => {
          const signature = Buffer.from(signatureOf(bundle).sig, "base64");
          evidence.v2.now = new Date(evidence.v2.start.getTime() - 600_000);
          Object.assign(timestampsOf(bundle), [{ signedTimestamp: await evidence.v2.timestamp(signature) }]);
          evidence.v2.now = evidence.v2.start;
        },
        code: "bad-timestamp",
        says: "timestamp could not be verified",
      },
      {
        row: "a timestamp of an hour later",
        kinds: [HASHEDREKORD],
        change: async (bundle) => {
          const signature = Buffer.from(signatureOf(bundle).sig, "base64");
          evidence.v2.now = new Date(evidence.v2.start.getTime() + 3_600_000);
          Object.assign(timestampsOf(bundle), [{ signedTimestamp: await evidence.v2.timestamp(signature) }]);
          evidence.v2.now = evidence.v2.start;
        },
        code: "replayed",
        says: "logged 3600 s after it was observed",
      },
      {
        row: "a timestamp from after the certificate",
        kinds: [HASHEDREKORD],
        from: () => evidence.certified,
        change: async (bundle) => {
          const signature = Buffer.from(signatureOf(bundle).sig, "base64");
          evidence.v2.now = new Date(evidence.v2.start.getTime() + 700_000);
          Object.assign(timestampsOf(bundle), [{ signedTimestamp: await evidence.v2.timestamp(signature) }]);
          evidence.v2.now = evidence.v2.start;
        },
        code: "bad-certificate",
        says: "not valid or expired at the specified date",
      },
      {
        row: "the same timestamp twice",
        kinds: [HASHEDREKORD],
        change: (bundle) => timestampsOf(bundle).push(...timestampsOf(evidence.good[HASHEDREKORD])),
        code: "bad-timestamp",
        says: "two timestamps of the same time",
      },
      {
        row: "a timestamp that is none",
        kinds: [HASHEDREKORD],
        change: (bundle) => Object.assign(timestampsOf(bundle), [{ signedTimestamp: base64("noise") }]),
        code: "bad-timestamp",
        says: "cannot be read",
      },
      {
        row: "half a timestamp",
        kinds: [HASHEDREKORD],
        change: (bundle) => {
          const [{ signedTimestamp } = { signedTimestamp: "" }] = timestampsOf(bundle);
          const half = Buffer.from(signedTimestamp, "base64").subarray(0, 300);
          Object.assign(timestampsOf(bundle), [{ signedTimestamp: base64(half) }]);
        },
        code: "bad-timestamp",
        says: "cannot be read",
      },
    ]),
  )("$row ($kind)", (row) => judge(row, evidence));
});

// SPDX-License-Identifier: Apache-2.0
import { bundleFromJSON } from "@sigstore/bundle";
import { toSignedEntity, Verifier } from "@sigstore/verify";
import { beforeAll, describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { readHistory } from "../../src/record/history.ts";
import { parseIdentity, parseIdentityPattern } from "../../src/record/signer.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import type { TrustedRoot } from "../../src/trust/trusted-root.ts";
import type { RecordContext } from "../../src/record/record.ts";
import { proveBundle } from "./prove.ts";
import { dsseBundle, intotoBundle, type SampleBundle } from "./sample-bundle.ts";
import { certify, type CertifiedKey, rootWith, sampleAuthority, signCertified } from "./sample-identity.ts";
import {
  asEvidence,
  jointRoot,
  OTHER_DIGEST,
  sampleKey,
  sampleLog,
  type SampleLog,
  sighting,
  signEnvelope,
  trusting,
} from "./sample-log.ts";
import { sampleLogV2, type SampleLogV2 } from "./sample-log-v2.ts";

const CI = { issuer: "https://accounts.google.com", identity: "ci@acme.example" };
const key = sampleKey();
const ed25519 = sampleKey("ed25519");
const subject = parseReference("alpine:3.16.0");

let v1: SampleLog;
let v2: SampleLogV2;
let certified: CertifiedKey;
let trustedRoot: TrustedRoot;
let context: RecordContext;
let payload: Uint8Array;
beforeAll(async () => {
  const authority = await sampleAuthority();
  v2 = await sampleLogV2();
  v1 = sampleLog();
  v1.now = new Date(v2.start.getTime() + 2000);
  // Others log too, so that there is something to prove.
  v1.record(sighting({ reference: "docker.io/library/alpine:1", observedAt: v2.start }), key);
  await v2.record({ reference: "docker.io/library/alpine:1" }, key);
  certified = await certify(authority.issuing, CI);
  trustedRoot = rootWith(authority, v1, v2);
  context = { subject, trust: trusting(key.signer, ed25519.signer, parseIdentity(CI)), trustedRoot };
  payload = sightingStatement(sighting({ observedAt: v2.start }));
});

/** The stock verifier of Sigstore's own library. */
function libraryAccepts(bundle: SampleBundle): unknown {
  const publicKey = () => ({ publicKey: key.signer.publicKey, validFor: () => true });
  return new Verifier({ ...trustedRoot.material, publicKey }).verify(
    toSignedEntity(bundleFromJSON(structuredClone(bundle))),
  );
}

describe("a bundle counts as a record, wherever it is kept", () => {
  const signed = () => signEnvelope(payload, key);
  const byIdentity = () => signCertified(payload, certified);
  test.for<{ row: string; make: () => SampleBundle | Promise<SampleBundle>; api: 1 | 2; signer: object }>([
    { row: "of Rekor v1, by a key", make: () => intotoBundle(v1, signed(), "k"), api: 1, signer: key.signer },
    {
      row: "of Rekor v1, by a certificate",
      make: () => intotoBundle(v1, byIdentity(), "c"),
      api: 1,
      signer: CI,
    },
    { row: "as cosign logs it, by a key", make: () => dsseBundle(v1, signed()), api: 1, signer: key.signer },
    {
      row: "as cosign logs it, by a certificate",
      make: () => dsseBundle(v1, byIdentity()),
      api: 1,
      signer: CI,
    },
    { row: "of Rekor v2, by a key", make: () => v2.bundle(signed()), api: 2, signer: key.signer },
    { row: "of Rekor v2, by a certificate", make: () => v2.bundle(byIdentity()), api: 2, signer: CI },
  ])("$row", async ({ make, api, signer }) => {
    const bundle = await make();
    const record = proveBundle(bundle, context, "tlog.lock:2");
    const [entry] = bundle.verificationMaterial.tlogEntries;
    expect(record).toMatchObject({
      ...sighting({ observedAt: v2.start }),
      logIndex: BigInt(entry.logIndex),
      logId: Buffer.from(entry.logId.keyId, "base64").toString("hex"),
      logUrl: api === 1 ? "https://rekor.example.org" : "https://log2026.example.org",
      loggedAt: api === 1 ? v1.now : v2.start,
      signer,
      strength: "full",
    });
    expect(record.uuid).toEqual(api === 1 ? v1.log.byLogIndex(Number(entry.logIndex))?.uuid : undefined);
    expect(libraryAccepts(bundle)).toBeDefined();
    // What is kept of it is as good as what was brought.
    expect(proveBundle(JSON.parse(JSON.stringify(record.bundle)), context, "again")).toEqual(record);
  });

  test("signed with Ed25519, in Rekor v1", () => {
    const bundle = intotoBundle(v1, signEnvelope(payload, ed25519));
    expect(proveBundle(bundle, context, "tlog.lock:2").signer).toBe(ed25519.signer);
  });

  test("by who fits a trusted pattern", async () => {
    const pattern = parseIdentityPattern({ issuer: CI.issuer, pattern: "*@acme.example" });
    const where = { ...context, trust: trusting(pattern) };
    const record = proveBundle(await v2.bundle(byIdentity()), where, "tlog.lock:2");
    expect(record.signer).toEqual({ kind: "identity", ...CI });
  });

  test("with the parts left out that are zero or empty, as Go writes it", async () => {
    const log = await sampleLogV2();
    const bundle = await log.bundle(signed());
    const [entry] = bundle.verificationMaterial.tlogEntries;
    const { logIndex: _, integratedTime: __, inclusionPromise: ___, inclusionProof, ...rest } = entry;
    const { logIndex: ____, hashes, ...proof } = inclusionProof;
    expect([entry.logIndex, hashes]).toEqual(["0", []]);
    const [{ keyid: _____, ...signature }] = bundle.dsseEnvelope.signatures;
    const short = {
      ...bundle,
      dsseEnvelope: { ...bundle.dsseEnvelope, signatures: [signature] },
      verificationMaterial: {
        ...bundle.verificationMaterial,
        tlogEntries: [{ ...rest, inclusionProof: proof }],
      },
    };
    const where = { ...context, trustedRoot: log.trustedRoot };
    expect(proveBundle(short, where, "x")).toEqual(proveBundle(bundle, where, "x"));
  });

  test("with the other spelling of the format's name", () => {
    const bundle = intotoBundle(v1, signed(), "spelled");
    bundle.mediaType = "application/vnd.dev.sigstore.bundle+json;version=0.3";
    const record = proveBundle(bundle, context, "tlog.lock:2");
    expect(record.bundle?.mediaType).toBe("application/vnd.dev.sigstore.bundle.v0.3+json");
  });

  test("under whatever name its writer gave the key", async () => {
    const bundle = await v2.bundle(signed());
    bundle.verificationMaterial.publicKey = { hint: "our key" };
    expect(proveBundle(bundle, context, "tlog.lock:2").signer).toBe(key.signer);
  });

  test("of a log that the policy names, with or without a slash at its end", async () => {
    const bundle = await v2.bundle(signed());
    for (const url of ["https://log2026.example.org", "https://LOG2026.example.org/"]) {
      expect(proveBundle(bundle, { ...context, logs: [url] }, "x").logUrl).toBe(
        "https://log2026.example.org",
      );
    }
  });

  test("at the earlier of its two timestamps", async () => {
    const envelope = signed();
    const signature = envelope.signatures[0]?.sig ?? Buffer.alloc(0);
    const early = await v2.timestamp(signature);
    v2.now = new Date(v2.start.getTime() + 5000);
    const late = await v2.timestamp(signature);
    v2.now = v2.start;
    const record = proveBundle(await v2.bundle(envelope, [late, early]), context, "tlog.lock:2");
    expect(record.loggedAt).toEqual(v2.start);
  });
});

describe("a history is made of entries and bundles alike", () => {
  const signed = (change = {}) =>
    signEnvelope(sightingStatement(sighting({ observedAt: v2.start, ...change })), key);
  const asBundle = (bundle: SampleBundle) => ({ kind: "bundle", bundle, place: "tlog.lock:2" }) as const;

  test("one record of an entry and its bundle", () => {
    const log = sampleLog();
    log.now = v1.now;
    const where = { ...context, trustedRoot: log.trustedRoot };
    const envelope = signed();
    const bundle = intotoBundle(log, envelope);
    const [entry] = log.log.entries;
    if (entry === undefined) throw new Error("the log is empty");
    const found = log.found(entry);
    const history = readHistory([asEvidence(found), asBundle(bundle)], where);
    expect(history.records.map(({ uuid }) => uuid)).toEqual([entry.uuid]);
    expect(history.rejected).toEqual(new Map());

    // The log shows the entry and not what was signed; the bundle has it.
    const { attestation: _, ...unshown } = found.entry;
    const rescued = readHistory([asEvidence({ uuid: entry.uuid, entry: unshown }), asBundle(bundle)], where);
    expect(rescued.records.map(({ uuid }) => uuid)).toEqual([entry.uuid]);
    expect(rescued.rejected).toEqual(new Map());
    expect(readHistory([asEvidence({ uuid: entry.uuid, entry: unshown })], where).rejected).toEqual(
      new Map([["no-payload", 1]]),
    );
  });

  test("one record of an envelope in two logs, with the earlier of their times", async () => {
    const envelope = signed();
    const later = intotoBundle(v1, envelope, "two logs");
    const earlier = await v2.bundle(envelope);
    const { records, rejected } = readHistory([asBundle(later), asBundle(earlier)], context);
    expect(records.map(({ logUrl, loggedAt }) => [logUrl, loggedAt])).toEqual([
      ["https://log2026.example.org", v2.start],
    ]);
    expect(rejected).toEqual(new Map());
  });

  test("records of both kinds of log in the order of their proven times, and by index within one", async () => {
    const at = (seconds: number) => new Date(v2.start.getTime() + seconds * 1000);
    const digest = (byte: string) => `sha256:${byte.repeat(32)}` as const;
    v2.now = at(10);
    const second = await v2.record({ digest: digest("02") }, key);
    v2.now = at(5);
    const third = await v2.record({ digest: digest("03") }, key);
    v2.now = v2.start;
    const log = sampleLog("other.example.org");
    log.now = at(7);
    const first = intotoBundle(log, signed({ digest: digest("01") }));
    log.now = at(11);
    const last = intotoBundle(log, signed({ digest: digest("04") }));
    const where = { ...context, trustedRoot: jointRoot(v2, log) };
    const { records } = readHistory([last, third, second, first].map(asBundle), where);
    expect(records.map((record) => record.digest.slice(7, 9))).toEqual(["01", "02", "03", "04"]);
  });

  test("bad bundles are counted by reason and harm nobody", async () => {
    const good = await v2.bundle(signed());
    const foreign = await v2.bundle(signEnvelope(payload, sampleKey()));
    const otherTag = await v2.record({ reference: "docker.io/library/alpine:2", digest: OTHER_DIGEST }, key);
    const evidence = [{}, foreign, otherTag, null, "", 7].map((bundle) => ({
      kind: "bundle" as const,
      bundle,
      place: "x",
    }));
    const { records, rejected } = readHistory([...evidence, asBundle(good)], context);
    expect(records).toHaveLength(1);
    expect(rejected).toEqual(
      new Map([
        ["malformed", 4],
        ["untrusted-signer", 1],
        ["wrong-subject", 1],
      ]),
    );
  });
});

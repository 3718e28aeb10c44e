// SPDX-License-Identifier: Apache-2.0
import { pem } from "@sigstore/core";
import { beforeAll, describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { RecordError, UNPROVEN } from "../../src/record/error.ts";
import { parseIdentity } from "../../src/record/signer.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import { type RecordContext, verifyBundle } from "../../src/record/verification.ts";
import {
  bundleOf,
  dsseBundle,
  intotoBundle,
  type SampleBundle,
  type SampleBundledEntry,
} from "./sample-bundle.ts";
import {
  certify,
  rootWith,
  type SampleAuthority,
  sampleAuthority,
  signCertified,
} from "./sample-identity.ts";
import {
  jointRoot,
  OTHER_DIGEST,
  sampleKey,
  sampleLog,
  type SampleEnvelope,
  type SampleLog,
  sighting,
  signEnvelope,
  trusting,
} from "./sample-log.ts";
import { sampleLogV2, type SampleLogV2 } from "./sample-log-v2.ts";

const CI = { issuer: "https://accounts.google.com", identity: "ci@acme.example" };
const KINDS = ["intoto 0.0.2", "dsse 0.0.1", "hashedrekord 0.0.2"] as const;
type Kind = (typeof KINDS)[number];
const [INTOTO, DSSE, HASHEDREKORD] = KINDS;

const key = sampleKey();
const stranger = sampleKey();
let authority: SampleAuthority;
let v1: SampleLog;
let other: SampleLog;
let v2: SampleLogV2;
let otherV2: SampleLogV2;
let context: RecordContext;
let signed: SampleEnvelope;
/** Of the key, of the certificate, and another sighting of the key, in every kind. */
let good: { [kind in Kind]: SampleBundle };
let certified: { [kind in Kind]: SampleBundle };
let neighbour: { [kind in Kind]: SampleBundle };
/** The same envelope in other logs that are trusted too. */
let elsewhere: { [kind in Kind]: SampleBundle };

beforeAll(async () => {
  authority = await sampleAuthority();
  [v2, otherV2] = [await sampleLogV2(), await sampleLogV2("log2025.example.net")];
  [v1, other] = [sampleLog(), sampleLog("log.example.net")];
  for (const log of [v1, other]) log.now = new Date(v2.start.getTime() + 2000);
  context = {
    subject: parseReference("alpine:3.16.0"),
    trust: trusting(key.signer, parseIdentity(CI)),
    trustedRoot: rootWith(authority, v1, other, v2, otherV2),
  };
  const fill = async (log: SampleLog, tiled: SampleLogV2, tag: string) => {
    const what = { reference: `docker.io/library/alpine:${tag}`, observedAt: v2.start };
    log.record(sighting(what), stranger);
    await tiled.record(what, stranger);
  };
  // Our leaves are in the middle, so that proofs have hashes from both sides.
  for (const tag of ["1", "2", "3"]) await fill(v1, v2, tag);
  signed = signEnvelope(statement(), key);
  good = await inEveryKind(signed);
  certified = await inEveryKind(
    signCertified(statement(), await certify(authority.issuing, CI)),
    "certified",
  );
  neighbour = await inEveryKind(signEnvelope(statement({ digest: OTHER_DIGEST }), key), "neighbour");
  for (const tag of ["4", "5"]) await fill(v1, v2, tag);
  await fill(other, otherV2, "6");
  good = await again(good, signed);
  elsewhere = {
    [INTOTO]: intotoBundle(other, signed),
    [DSSE]: dsseBundle(other, signed),
    [HASHEDREKORD]: await otherV2.bundle(signed),
  };
});

function statement(change: Parameters<typeof sighting>[0] = {}): Uint8Array {
  return sightingStatement(sighting({ observedAt: v2.start, ...change }));
}

async function inEveryKind(
  envelope: SampleEnvelope,
  salt?: string,
): Promise<{ [kind in Kind]: SampleBundle }> {
  return {
    [INTOTO]: intotoBundle(v1, envelope, salt),
    [DSSE]: dsseBundle(v1, envelope, salt),
    [HASHEDREKORD]: await v2.bundle(envelope),
  };
}

/** With the proofs of the trees as they are now; Rekor v2 brings one only with its answer. */
async function again(bundles: typeof good, envelope: SampleEnvelope): Promise<typeof good> {
  const now = (kind: Kind): SampleBundle => {
    const index = Number(entryOf(bundles[kind]).logIndex);
    return bundleOf(v1, v1.log.byLogIndex(index)?.uuid ?? "", envelope);
  };
  return { ...bundles, [INTOTO]: now(INTOTO), [DSSE]: now(DSSE) };
}

function entryOf({ verificationMaterial }: SampleBundle): SampleBundledEntry {
  return verificationMaterial.tlogEntries[0];
}

function proofOf(bundle: SampleBundle): SampleBundledEntry["inclusionProof"] {
  return entryOf(bundle).inclusionProof;
}

function signatureOf(bundle: SampleBundle): { sig: string } {
  return bundle.dsseEnvelope.signatures[0];
}

function timestampsOf({ verificationMaterial }: SampleBundle): { signedTimestamp: string }[] {
  return verificationMaterial.timestampVerificationData?.rfc3161Timestamps ?? [];
}

const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString("base64");

/** Flips one bit of the last byte. */
function flip(text: string): string {
  const bytes = Buffer.from(text, "base64");
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  return base64(bytes);
}

function edit(bundle: SampleBundle, from: string | RegExp, to: string): void {
  const { checkpoint } = proofOf(bundle);
  const before = checkpoint.envelope;
  checkpoint.envelope = before.replace(from, to);
  if (checkpoint.envelope === before) throw new Error(`the checkpoint has no ${from}`);
}

function refusal(bundle: unknown, where = context): RecordError {
  try {
    verifyBundle(bundle, where, "tlog.lock:2");
  } catch (error) {
    if (error instanceof RecordError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

/** What all that was said and the causes of it say. */
function textOf(error: unknown): string {
  return error instanceof Error ? `${error.message} ${textOf(error.cause)}` : "";
}

interface Row {
  readonly row: string;
  /** All when left out. */
  readonly kinds?: readonly Kind[];
  readonly from?: () => typeof good;
  readonly change: (bundle: SampleBundle, kind: Kind) => unknown;
  readonly code: string;
  readonly says?: string;
}

describe.each(KINDS)("a bundle of %s is refused with", (kind) => {
  const inKind = (rows: readonly Row[]): Row[] => rows.filter(({ kinds = KINDS }) => kinds.includes(kind));
  const judge = async ({ change, from = () => good, code, says = "" }: Row): Promise<void> => {
    const bundle = structuredClone(from()[kind]);
    expect(verifyBundle(bundle, context, "x").strength).toBe("full");
    await change(bundle, kind);
    const error = refusal(bundle);
    expect(`${error.code}: ${textOf(error)}`).toMatch(new RegExp(`^${code}: `));
    expect(textOf(error)).toContain(says);
    expect(error.message).toContain("tlog.lock:2");
  };

  test.for<Row>(
    inKind([
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
        says: `of kind "${kind}", and the bundle says another`,
      },
    ]),
  )("$row", judge);

  test.for<Row>(
    inKind([
      {
        row: "another statement",
        change: (bundle, of) => (bundle.dsseEnvelope.payload = neighbour[of].dsseEnvelope.payload),
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
          const [foreign] = signEnvelope(statement(), stranger).signatures;
          signatureOf(bundle).sig = base64(foreign?.sig ?? "");
        },
        code: "bad-signature",
      },
      {
        row: "the whole envelope of another record",
        change: (bundle, of) => (bundle.dsseEnvelope = neighbour[of].dsseEnvelope),
        code: "wrong-entry",
        says: "it has another signature",
      },
      {
        row: "the entry of another record, with its proof",
        change: ({ verificationMaterial }, of) =>
          (verificationMaterial.tlogEntries = structuredClone(
            neighbour[of].verificationMaterial.tlogEntries,
          )),
        code: "wrong-entry",
        says: "it has another signature",
      },
      {
        row: "a certificate in the place of the key",
        change: ({ verificationMaterial }, of) => {
          delete verificationMaterial.publicKey;
          verificationMaterial.certificate = certified[of].verificationMaterial.certificate ?? {
            rawBytes: "",
          };
        },
        code: "wrong-entry",
        says: "another key or certificate",
      },
      {
        row: "a key in the place of the certificate",
        from: () => certified,
        change: ({ verificationMaterial }) => {
          delete verificationMaterial.certificate;
          verificationMaterial.publicKey = { hint: "key" };
        },
        code: "wrong-entry",
        says: "another key or certificate",
      },
      {
        row: "another certificate of the same identity",
        from: () => certified,
        change: async ({ verificationMaterial }) => {
          const another = await certify(authority.issuing, CI);
          verificationMaterial.certificate = { rawBytes: base64(pem.toDER(another.pem)) };
        },
        code: "wrong-entry",
        says: "another key or certificate",
      },
      {
        row: "the entry of somebody who logged the same statement",
        change: async (bundle, of) => {
          const theirs = await inEveryKind(signEnvelope(statement(), stranger), "theirs");
          bundle.verificationMaterial.tlogEntries = theirs[of].verificationMaterial.tlogEntries;
        },
        code: "untrusted-signer",
        says: "which is not trusted here",
      },
    ]),
  )("$row", judge);

  test.for<Row>(
    inKind([
      {
        row: "a log that nobody knows",
        change: (bundle) => (entryOf(bundle).logId.keyId = flip(entryOf(bundle).logId.keyId)),
        code: "unknown-log",
        says: 'not in the trusted root "trusted_root.json"',
      },
      {
        row: "another log that is trusted too",
        change: (bundle) => (entryOf(bundle).logId.keyId = base64(other.log.logId)),
        code: "not-in-log",
      },
      {
        row: "another index",
        change: (bundle) => (entryOf(bundle).logIndex = String(Number(entryOf(bundle).logIndex) + 1)),
        code: "not-in-log",
      },
      {
        row: "another index in the proof",
        change: (bundle) => (proofOf(bundle).logIndex = String(Number(proofOf(bundle).logIndex) ^ 1)),
        code: "not-in-log",
      },
      {
        row: "an index that the tree does not have",
        change: (bundle, of) => {
          proofOf(bundle).logIndex = proofOf(bundle).treeSize;
          if (of === HASHEDREKORD) entryOf(bundle).logIndex = proofOf(bundle).treeSize;
        },
        code: "not-in-log",
        says: "invalid index",
      },
      {
        row: "a proof with one hash missing",
        change: (bundle) => proofOf(bundle).hashes.pop(),
        code: "not-in-log",
        says: "invalid hash count",
      },
      {
        row: "a proof with one hash more",
        change: (bundle) => proofOf(bundle).hashes.push(base64(Buffer.alloc(32))),
        code: "not-in-log",
        says: "invalid hash count",
      },
      {
        row: "another hash in the proof",
        change: (bundle) => (proofOf(bundle).hashes[0] = flip(proofOf(bundle).hashes[0] ?? "")),
        code: "not-in-log",
        says: "calculated root hash does not match",
      },
      {
        row: "a short hash in the proof",
        change: (bundle) => (proofOf(bundle).hashes[0] = base64(Buffer.alloc(31))),
        code: "not-in-log",
      },
      {
        row: "another root beside the checkpoint",
        change: (bundle) => (proofOf(bundle).rootHash = flip(proofOf(bundle).rootHash)),
        code: "not-in-log",
        says: "another tree than its checkpoint",
      },
      {
        row: "another size beside the checkpoint",
        change: (bundle) => (proofOf(bundle).treeSize += "0"),
        code: "not-in-log",
        says: "another tree than its checkpoint",
      },
      {
        row: "another size in both",
        change: (bundle) => {
          const { treeSize } = proofOf(bundle);
          edit(bundle, `\n${treeSize}\n`, `\n${treeSize}0\n`);
          proofOf(bundle).treeSize += "0";
        },
        code: "not-in-log",
        says: "invalid checkpoint signature",
      },
      {
        row: "no checkpoint",
        change: (bundle) => (proofOf(bundle).checkpoint.envelope = ""),
        code: "not-in-log",
        says: "not a signed tree head",
      },
      {
        row: "a checkpoint without its signatures",
        change: (bundle) => edit(bundle, /\n\n.*/s, "\n\n"),
        code: "not-in-log",
        says: "no signatures found in checkpoint",
      },
      {
        row: "a checkpoint of another log",
        change: (bundle, of) => {
          const { checkpoint, rootHash, treeSize } = proofOf(elsewhere[of]);
          Object.assign(proofOf(bundle), { checkpoint, rootHash, treeSize });
        },
        code: "not-in-log",
        says: "invalid checkpoint signature",
      },
      {
        row: "a checkpoint of a tree that was smaller",
        kinds: [INTOTO, DSSE],
        change: (bundle) => {
          const { checkpoint, rootHash, treeSize } = proofOf(certified[INTOTO]);
          Object.assign(proofOf(bundle), { checkpoint, rootHash, treeSize });
        },
        code: "not-in-log",
        says: "invalid hash count",
      },
      {
        row: "a checkpoint from before it was there",
        kinds: [HASHEDREKORD],
        change: async (bundle) => {
          const later = await v2.bundle(signEnvelope(statement({ platforms: [] }), key));
          const { checkpoint, rootHash, treeSize } = proofOf(good[HASHEDREKORD]);
          Object.assign(bundle, later);
          Object.assign(proofOf(bundle), { checkpoint, rootHash, treeSize });
        },
        code: "not-in-log",
        says: "invalid index",
      },
      {
        row: "the same entry proven by another log",
        kinds: [HASHEDREKORD],
        change: (bundle) => {
          const theirs = structuredClone(elsewhere[HASHEDREKORD]);
          entryOf(bundle).inclusionProof = proofOf(theirs);
          entryOf(bundle).logIndex = entryOf(theirs).logIndex;
        },
        code: "not-in-log",
        says: "invalid checkpoint signature",
      },
      {
        row: "no time that the log signed",
        kinds: [INTOTO, DSSE],
        change: (bundle) => delete entryOf(bundle).inclusionPromise,
        code: "not-in-log",
        says: "no signed entry timestamp",
      },
      {
        row: "the beginning of time",
        kinds: [INTOTO, DSSE],
        change: (bundle) => (entryOf(bundle).integratedTime = "0"),
        code: "not-in-log",
        says: "no signed entry timestamp",
      },
      {
        row: "a second more",
        kinds: [INTOTO, DSSE],
        change: (bundle) =>
          (entryOf(bundle).integratedTime = String(Number(entryOf(bundle).integratedTime) + 1)),
        code: "not-in-log",
        says: "inclusion promise could not be verified",
      },
      {
        row: "the signed time of another entry",
        kinds: [INTOTO, DSSE],
        change: (bundle, of) =>
          (entryOf(bundle).inclusionPromise = entryOf(neighbour[of]).inclusionPromise ?? null),
        code: "not-in-log",
        says: "inclusion promise could not be verified",
      },
    ]),
  )("$row", judge);

  test.for<Row>(
    inKind([
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
            integratedTime: String(v2.start.getTime() / 1000),
            inclusionPromise: entryOf(good[INTOTO]).inclusionPromise,
          }),
        code: "bad-timestamp",
        says: "which no Rekor v2 log signs",
      },
      {
        row: "a timestamp over another signature",
        kinds: [HASHEDREKORD],
        change: (bundle) => Object.assign(timestampsOf(bundle), timestampsOf(neighbour[HASHEDREKORD])),
        code: "bad-timestamp",
        says: "timestamp could not be verified",
      },
      {
        row: "a timestamp over another signature beside the good one",
        change: (bundle) => {
          const timestamps = [...timestampsOf(bundle), ...timestampsOf(neighbour[HASHEDREKORD])];
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
          v2.now = new Date(v2.start.getTime() - 600_000);
          Object.assign(timestampsOf(bundle), [{ signedTimestamp: await v2.timestamp(signature) }]);
          v2.now = v2.start;
        },
        code: "bad-timestamp",
        says: "timestamp could not be verified",
      },
      {
        row: "a timestamp of an hour later",
        kinds: [HASHEDREKORD],
        change: async (bundle) => {
          const signature = Buffer.from(signatureOf(bundle).sig, "base64");
          v2.now = new Date(v2.start.getTime() + 3_600_000);
          Object.assign(timestampsOf(bundle), [{ signedTimestamp: await v2.timestamp(signature) }]);
          v2.now = v2.start;
        },
        code: "replayed",
        says: "logged 3600 s after it was observed",
      },
      {
        row: "a timestamp from after the certificate",
        kinds: [HASHEDREKORD],
        from: () => certified,
        change: async (bundle) => {
          const signature = Buffer.from(signatureOf(bundle).sig, "base64");
          v2.now = new Date(v2.start.getTime() + 700_000);
          Object.assign(timestampsOf(bundle), [{ signedTimestamp: await v2.timestamp(signature) }]);
          v2.now = v2.start;
        },
        code: "bad-certificate",
        says: "not valid or expired at the specified date",
      },
      {
        row: "the same timestamp twice",
        kinds: [HASHEDREKORD],
        change: (bundle) => timestampsOf(bundle).push(...timestampsOf(good[HASHEDREKORD])),
        code: "bad-timestamp",
        says: "duplicate timestamp",
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
  )("$row", judge);
});

describe("what a Rekor v2 log took in, and is still no record, is refused", () => {
  const body = (): { spec: { hashedRekordV002: { [field: string]: { [field: string]: unknown } } } } =>
    JSON.parse(Buffer.from(entryOf(good[HASHEDREKORD]).canonicalizedBody, "base64").toString()) as ReturnType<
      typeof body
    >;
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
    const bundle = structuredClone(good[HASHEDREKORD]);
    bundle.verificationMaterial.tlogEntries = [v2.force(forged)];
    const error = refusal(bundle);
    expect(error.code).toBe(code);
    expect(error.message).toContain(says);
  });

  test("and the very same body in such a tree is not", () => {
    const bundle = structuredClone(good[HASHEDREKORD]);
    bundle.verificationMaterial.tlogEntries = [v2.force(body())];
    expect(verifyBundle(bundle, context, "x").strength).toBe("full");
  });
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
    for (const issuing of [foreign.issuing, authority.unlogged]) {
      const fakes = await inEveryKind(signCertified(statement(), await certify(issuing, CI)), "fake");
      for (const spoil of [() => undefined, ...broken]) {
        const bundle = structuredClone(fakes[kind]);
        spoil(bundle);
        expect(refusal(bundle).code).toBe("bad-certificate");
      }
    }
  });

  test.for(KINDS)("with a stranger's signature in the name of a trusted key (%s)", (kind) => {
    for (const spoil of [() => undefined, ...broken]) {
      const bundle = structuredClone(good[kind]);
      const [foreign] = signEnvelope(statement(), stranger).signatures;
      signatureOf(bundle).sig = base64(foreign?.sig ?? "");
      spoil(bundle);
      expect(refusal(bundle).code).toBe("bad-signature");
    }
  });

  test.for(KINDS)("and what a trusted signer signed counts as not proven (%s)", (kind) => {
    for (const each of [good, certified]) {
      for (const spoil of broken) {
        const bundle = structuredClone(each[kind]);
        spoil(bundle);
        try {
          verifyBundle(bundle, context, "x");
          // Without a timestamp there is still the time that Rekor v1 signed, and the other way round.
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
    const bundle = structuredClone(good[kind]);
    const { checkpoint } = proofOf(bundle);
    const line = `\u2014 witness.example.org ${base64(Buffer.alloc(76, 7))}\n`;
    checkpoint.envelope += line.repeat(3);
    expect(verifyBundle(bundle, context, "x").strength).toBe("full");
    checkpoint.envelope = checkpoint.envelope.replace("\n\n", `\n\n${line}`);
    expect(verifyBundle(bundle, context, "x").strength).toBe("full");
  });

  test("of Rekor v1, with a timestamp too", () => {
    const bundle = structuredClone(good[DSSE]);
    // The signature is the same in all kinds.
    bundle.verificationMaterial.timestampVerificationData = {
      rfc3161Timestamps: timestampsOf(good[HASHEDREKORD]),
    };
    expect(verifyBundle(bundle, context, "x").loggedAt).toEqual(v1.now);
  });
});

describe("what the trusted root and the policy do not have is refused", () => {
  test.for(KINDS)("a log that the policy does not name (%s)", (kind) => {
    const error = refusal(good[kind], { ...context, logs: ["https://log.example.net"] });
    expect(error.code).toBe("unnamed-log");
    expect(error.message).toContain("the policy does not name its log");
    expect(refusal(good[kind], { ...context, logs: [] }).code).toBe("unnamed-log");
  });

  test.for<{ row: string; kind: Kind; part: string; validFor: object; code: string }>([
    {
      row: "a log's key that was not valid yet",
      kind: HASHEDREKORD,
      part: "tlogs",
      validFor: { start: "2090-01-01T00:00:00Z" },
      code: "not-in-log",
    },
    {
      row: "a log's key that was not valid any more",
      kind: HASHEDREKORD,
      part: "tlogs",
      validFor: { start: "2020-01-01T00:00:00Z", end: "2021-01-01T00:00:00Z" },
      code: "not-in-log",
    },
    {
      row: "a timestamp authority that was not valid any more",
      kind: HASHEDREKORD,
      part: "timestampAuthorities",
      validFor: { start: "2020-01-01T00:00:00Z", end: "2021-01-01T00:00:00Z" },
      code: "bad-timestamp",
    },
  ])("$row", ({ kind, part, validFor, code }) => {
    const root = structuredClone(v2.root) as { [part: string]: { [field: string]: unknown }[] };
    for (const each of root[part] ?? []) {
      Object.assign((part === "tlogs" ? each["publicKey"] : each) as object, { validFor });
    }
    expect(refusal(good[kind], { ...context, trustedRoot: jointRoot({ root }) }).code).toBe(code);
  });

  test("every timestamp authority", () => {
    const { timestampAuthorities: _, ...root } = v2.root as { timestampAuthorities: unknown };
    expect(refusal(good[HASHEDREKORD], { ...context, trustedRoot: jointRoot({ root }) }).code).toBe(
      "bad-timestamp",
    );
  });
});

test.for<{ row: string; value: unknown }>([
  { row: "nothing", value: undefined },
  { row: "null", value: null },
  { row: "a text", value: "{}" },
  { row: "a list", value: [] },
  { row: "an empty bundle", value: {} },
  { row: "a thousand levels", value: JSON.parse(`${"[".repeat(1000)}${"]".repeat(1000)}`) as unknown },
])("$row is no bundle", ({ value }) => {
  const error = refusal(value);
  expect(error.code).toBe("malformed");
  expect(error.message).toMatch(/^read the bundle in tlog\.lock:2: .{1,300}$/);
});

// SPDX-License-Identifier: Apache-2.0
import { dsse, json } from "@sigstore/core";
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { parseReference } from "../../src/image/reference.ts";
import { readHistory } from "../../src/record/history.ts";
import type { Evidence, TagRecord } from "../../src/record/record.ts";
import { parsePublicKey, type Trust, type TrustedKey, type TrustedSigner } from "../../src/record/signer.ts";
import { IN_TOTO_PAYLOAD_TYPE, type Sighting, sightingStatement } from "../../src/record/statement.ts";
import { parseTrustedRoot, type TrustedRoot } from "../../src/trust/trusted-root.ts";
import { openLineFile } from "../sigstore/line-file.ts";
import { type LoggedEntry, rekorV1Log, type RekorV1Log } from "../sigstore/rekor-v1-log.ts";

export const ALPINE = "docker.io/library/alpine:3.16.0";
export const DIGEST = `sha256:${"c8".repeat(32)}` as const;
export const OTHER_DIGEST = `sha256:${"22".repeat(32)}` as const;
export const OBSERVED = new Date("2022-06-28T13:30:00Z");

/** A sighting as a build makes it; `change` replaces some of its fields. */
export function sighting(change: Partial<Sighting> = {}): Sighting {
  return {
    reference: ALPINE,
    digest: DIGEST,
    mediaType: "application/vnd.oci.image.index.v1+json",
    platforms: [
      { platform: "linux/amd64", digest: `sha256:${"a1".repeat(32)}` },
      { platform: "linux/arm/v7", digest: `sha256:${"a2".repeat(32)}` },
    ],
    observedAt: OBSERVED,
    ...change,
  };
}

/** A key pair that signs, and how it is trusted. */
export interface SampleKey {
  readonly privateKey: KeyObject;
  readonly pem: string;
  readonly signer: TrustedKey;
}

export function sampleKey(kind: "p256" | "ed25519" = "p256"): SampleKey {
  const { privateKey } =
    kind === "p256" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("ed25519");
  const pem = createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString();
  return { privateKey, pem, signer: parsePublicKey(pem) };
}

/** The envelope of an `intoto` 0.0.2 entry before the log's own encoding. */
export interface SampleEnvelope {
  readonly payload: Uint8Array;
  readonly payloadType: string;
  readonly signatures: readonly { readonly pem: string; readonly sig: Buffer; readonly keyid?: string }[];
}

/** Signs a payload as an in-toto statement (DSSE). */
export function signEnvelope(
  payload: Uint8Array,
  key: SampleKey,
  payloadType = IN_TOTO_PAYLOAD_TYPE,
): SampleEnvelope {
  const bytes = dsse.preAuthEncoding(payloadType, Buffer.from(payload));
  const sig = sign(key.privateKey.asymmetricKeyType === "ed25519" ? null : "sha256", bytes, key.privateKey);
  return { payload, payloadType, signatures: [{ pem: key.pem, sig }] };
}

/** A transparency log in memory, whose clock the test sets. */
export interface SampleLog {
  readonly log: RekorV1Log;
  readonly root: object;
  readonly trustedRoot: TrustedRoot;
  /** What the log's clock shows. */
  now: Date;
  /** Signs and logs a sighting. */
  record(what: Sighting, key: SampleKey): LoggedEntry;
  /** Logs an envelope as a client does; `salt` makes a copy of what is logged already into another leaf. */
  append(envelope: SampleEnvelope, salt?: string): LoggedEntry;
  /** Logs an envelope without the checks that a log makes. */
  force(envelope: SampleEnvelope): LoggedEntry;
  /** What the log answers about an entry now, as JSON. */
  found(entry: LoggedEntry): { uuid: string; entry: AnsweredEntry };
}

/** An answer that tests change before it is read. */
export interface AnsweredEntry {
  body: string;
  integratedTime: number;
  logIndex: number;
  logID: string;
  attestation?: { data: string };
  verification: {
    inclusionProof: {
      hashes: string[];
      logIndex: number;
      rootHash: string;
      treeSize: number;
      checkpoint: string;
    };
    signedEntryTimestamp?: string;
  };
}

const encode = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString("base64");

function signaturesOf(envelope: SampleEnvelope): object[] {
  return envelope.signatures.map(({ pem, sig, keyid }) => ({
    ...(keyid !== undefined && { keyid }),
    sig: encode(encode(sig)),
    publicKey: encode(pem),
  }));
}

export function sampleLog(hostname = "rekor.example.org"): SampleLog {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const file = openLineFile(undefined);
  const log = rekorV1Log({ hostname, privateKey, file, clock: () => sample.now, lag: 0 });
  const root = trustedRootOf(hostname, log);

  const sample: SampleLog = {
    log,
    root,
    trustedRoot: parseTrustedRoot(JSON.stringify(root), "trusted_root.json"),
    now: new Date(OBSERVED.getTime() + 2000),
    record: (what, key) => sample.append(signEnvelope(sightingStatement(what), key)),
    append: (envelope, salt = "") => log.append(proposedEntry(envelope, salt)),
    force(envelope) {
      const { payload, payloadType } = envelope;
      const hash = hexOf(payload);
      const content = {
        envelope: { payloadType, signatures: signaturesOf(envelope) },
        hash: { algorithm: "sha256", value: hexOf("") },
        payloadHash: { algorithm: "sha256", value: hash },
      };
      const body = Buffer.from(json.canonicalize({ apiVersion: "0.0.2", kind: "intoto", spec: { content } }));
      return log.force({
        body,
        indexKeys: [],
        attestation: { key: `sha256:${hash}`, data: Buffer.from(payload) },
      });
    },
    found(entry) {
      const [answer] = Object.entries(log.present(entry, { attestation: true }));
      if (answer === undefined) throw new Error("the log presents nothing");
      // By way of JSON, as over the wire, so that a test may change it.
      const [uuid, value] = answer;
      return { uuid, entry: JSON.parse(JSON.stringify(value)) as AnsweredEntry };
    },
  };
  return sample;
}

/** What a client sends to a Rekor v1 log to have an envelope logged. */
export function proposedEntry(envelope: SampleEnvelope, salt = ""): object {
  const { payload, payloadType } = envelope;
  return {
    apiVersion: "0.0.2",
    kind: "intoto",
    spec: {
      content: {
        envelope: { payload: encode(encode(payload)), payloadType, signatures: signaturesOf(envelope) },
        hash: { algorithm: "sha256", value: hexOf(salt) },
        payloadHash: { algorithm: "sha256", value: hexOf(payload) },
      },
    },
  };
}

function hexOf(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function trustedRootOf(hostname: string, log: RekorV1Log): { tlogs: object[] } {
  const der = createPublicKey(log.publicKeyPem).export({ type: "spki", format: "der" });
  const publicKey = {
    rawBytes: encode(der),
    keyDetails: "PKIX_ECDSA_P256_SHA_256",
    validFor: { start: "2021-01-01T00:00:00Z" },
  };
  const tlog = {
    baseUrl: `https://${hostname}`,
    hashAlgorithm: "SHA2_256",
    publicKey,
    logId: { keyId: encode(log.logId) },
  };
  return Object.assign(
    { mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1" },
    { tlogs: [tlog] },
  );
}

/** What a trusted root in JSON can have several of. */
const PARTS = ["tlogs", "ctlogs", "certificateAuthorities", "timestampAuthorities"] as const;

/** The text of a trusted root with all that those of several samples have. */
export function jointRootText(...samples: readonly { readonly root: object }[]): string {
  const roots = samples.map(({ root }) => root as { readonly [part: string]: unknown });
  const parts = PARTS.map((part) => [part, roots.flatMap((root) => root[part] ?? [])]);
  return JSON.stringify({ ...roots[0], ...(Object.fromEntries(parts) as object) }, undefined, 2);
}

/** The same, read. */
export function jointRoot(...samples: readonly { readonly root: object }[]): TrustedRoot {
  return parseTrustedRoot(jointRootText(...samples), "trusted_root.json");
}

/** An answer of the log as `readHistory` takes it. */
export function asEvidence(found: { readonly uuid: string; readonly entry: unknown }): Evidence {
  return { kind: "entry", ...found };
}

/** What the log answers about these entries, as `readHistory` takes it. */
export function foundEntries(sample: SampleLog, entries: readonly LoggedEntry[]): readonly Evidence[] {
  return entries.map((entry) => asEvidence(sample.found(entry)));
}

/** Everybody here may record and approve. */
export function trusting(...signers: readonly TrustedSigner[]): readonly Trust[] {
  return signers.map((signer) => ({ signer, may: new Set(["record", "approve"]) }));
}

/** A proven record of a sighting, and whoever signs it may record. */
export function sampleRecord(change: Partial<Sighting> = {}): TagRecord {
  const log = sampleLog();
  const key = sampleKey();
  const entry = log.record(sighting(change), key);
  const subject = parseReference(sighting(change).reference);
  const { records } = readHistory(foundEntries(log, [entry]), {
    subject,
    trust: trusting(key.signer),
    trustedRoot: log.trustedRoot,
  });
  const [record] = records;
  if (record === undefined) throw new Error("the sample is no record");
  return record;
}

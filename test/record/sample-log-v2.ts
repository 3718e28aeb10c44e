// SPDX-License-Identifier: Apache-2.0
import { dsse, json, pem } from "@sigstore/core";
// The packages' own entry point also loads nock, which replaces node:http's client in the whole process.
import { initializeTSA, tsaHandler } from "@sigstore/mock/dist/timestamp/index.js";
import { createHash, generateKeyPairSync } from "node:crypto";
import { type Sighting, sightingStatement } from "../../src/record/statement.ts";
import type { TrustedRoot } from "../../src/trust/trusted-root.ts";
import { openLineFile } from "../sigstore/line-file.ts";
import { merkleTree } from "../sigstore/merkle-tree.ts";
import { rekorV2Log, type RekorV2Log } from "../sigstore/rekor-v2.ts";
import { ed25519NoteSigner, signCheckpoint, spki } from "../sigstore/signed-note.ts";
import { keyPair } from "../sigstore/signing-keys.ts";
import { assemble, type SampleBundle, type SampleBundledEntry } from "./sample-bundle.ts";
import { jointRoot, type SampleEnvelope, type SampleKey, sighting, signEnvelope } from "./sample-log.ts";

/** A Rekor v2 log and a timestamp authority, in memory. */
export interface SampleLogV2 {
  readonly log: RekorV2Log;
  /** The trusted root of both, in JSON. */
  readonly root: object;
  readonly trustedRoot: TrustedRoot;
  /** When it began, in whole seconds: the authority's certificate is valid from then on. */
  readonly start: Date;
  /** What the authority's clock shows; whole seconds. */
  now: Date;
  /** A timestamp over these bytes (DER in base64). */
  timestamp(bytes: Uint8Array): Promise<string>;
  /** Logs an envelope and bundles it, with a timestamp over its signature unless another is given. */
  bundle(envelope: SampleEnvelope, timestamps?: readonly string[]): Promise<SampleBundle>;
  /** The entry with whatever body, in another tree that the log has signed: what a log that lies would bring. */
  force(body: object): SampleBundledEntry;
  /** Signs and logs a sighting, observed at the start unless it says otherwise. */
  record(what: Partial<Sighting>, key: SampleKey): Promise<SampleBundle>;
}

const encode = ({ buffer, byteOffset, byteLength }: ArrayBufferView): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString("base64");

export async function sampleLogV2(hostname = "log2026.example.org"): Promise<SampleLogV2> {
  const { privateKey } = generateKeyPairSync("ed25519");
  const log = rekorV2Log({ hostname, privateKey, file: openLineFile(undefined) });
  // Its certificates are valid from the machine's now on.
  const authority = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const clock = new Date();
  const tsa = await initializeTSA(keyPair(authority), clock);
  const start = new Date(Math.ceil(Date.now() / 1000) * 1000);
  const handler = tsaHandler(tsa);
  const validFor = { start: "2021-01-01T00:00:00Z" };
  const root = {
    mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    tlogs: [
      {
        baseUrl: `https://${hostname}`,
        hashAlgorithm: "SHA2_256",
        publicKey: { rawBytes: encode(spki(privateKey)), keyDetails: "PKIX_ED25519", validFor },
        logId: { keyId: encode(log.logId) },
      },
    ],
    timestampAuthorities: [
      {
        uri: "https://timestamp.example.org",
        certChain: {
          certificates: [tsa.intCertificate, tsa.rootCertificate].map((der) => ({ rawBytes: encode(der) })),
        },
        validFor,
      },
    ],
  };

  const sample: SampleLogV2 = {
    log,
    root,
    trustedRoot: jointRoot({ root }),
    start,
    now: start,
    async timestamp(bytes) {
      clock.setTime(sample.now.getTime());
      const artifactHash = createHash("sha256").update(bytes).digest("base64");
      const { statusCode, response } = await handler.fn(
        JSON.stringify({ artifactHash, hashAlgorithm: "sha256", certificates: true, nonce: 1 }),
      );
      if (statusCode !== 201 || typeof response === "string")
        throw new Error(`no timestamp: ${String(response)}`);
      return encode(response);
    },
    async bundle(envelope, timestamps) {
      const [signature] = envelope.signatures;
      if (signature === undefined) throw new Error("the envelope is not signed");
      const tokens = timestamps ?? [await sample.timestamp(signature.sig)];
      return assemble(envelope, {
        tlogEntries: [append(log, envelope, signature)],
        timestampVerificationData: {
          rfc3161Timestamps: tokens.map((signedTimestamp) => ({ signedTimestamp })),
        },
      });
    },
    force(body) {
      const leaf = Buffer.from(json.canonicalize(body));
      const tree = merkleTree();
      tree.append(Buffer.from("before"));
      const index = tree.append(leaf);
      const signer = ed25519NoteSigner(hostname, privateKey);
      const { kind, apiVersion } = body as { kind?: string; apiVersion?: string };
      return {
        logIndex: String(index),
        logId: { keyId: encode(log.logId) },
        kindVersion: { kind: kind ?? "", version: apiVersion ?? "" },
        integratedTime: "0",
        inclusionProof: {
          logIndex: String(index),
          rootHash: encode(tree.root()),
          treeSize: String(tree.size),
          hashes: tree.inclusionProof(index).map(encode),
          checkpoint: {
            envelope: signCheckpoint({ origin: hostname, size: tree.size, root: tree.root() }, signer),
          },
        },
        canonicalizedBody: encode(leaf),
      };
    },
    record: (what, key) =>
      sample.bundle(signEnvelope(sightingStatement(sighting({ observedAt: start, ...what })), key)),
  };
  return sample;
}

/** Logs what was signed. */
function append(
  log: RekorV2Log,
  { payload, payloadType }: SampleEnvelope,
  signature: SampleEnvelope["signatures"][0],
): SampleBundledEntry {
  const signed = dsse.preAuthEncoding(payloadType, Buffer.from(payload));
  const form = signature.pem.includes("CERTIFICATE") ? "x509Certificate" : "publicKey";
  const hashedRekordRequestV002 = {
    digest: createHash("sha256").update(signed).digest("base64"),
    signature: {
      content: encode(signature.sig),
      verifier: {
        keyDetails: "PKIX_ECDSA_P256_SHA_256",
        [form]: { rawBytes: encode(pem.toDER(signature.pem)) },
      },
    },
  };
  const { status, body } = log.answer({
    method: "POST",
    path: "/api/v2/log/entries",
    query: new URLSearchParams(),
    mediaType: "application/json",
    headers: {},
    body: Buffer.from(JSON.stringify({ hashedRekordRequestV002 })),
  });
  if (status !== 201) throw new Error(`not logged: ${String(body)}`);
  return JSON.parse(String(body)) as SampleBundledEntry;
}

// SPDX-License-Identifier: Apache-2.0
import { bundleFromJSON } from "@sigstore/bundle";
import { dsse } from "@sigstore/core";
import { TrustedRoot } from "@sigstore/protobuf-specs";
import { TSAWitness } from "@sigstore/sign";
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify";
import { createHash, createPublicKey, generateKeyPairSync, verify, type KeyObject } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { certificateAuthority } from "./certificate-authority.ts";
import { hashLeaf, merkleTree } from "./merkle-tree.ts";
import { rekorV2Log } from "./rekor-v2.ts";
import { signBytes, spki } from "./signed-note.ts";
import { IN_TOTO, newSigningKey, statementAbout } from "./signed-statement.ts";
import { startSigstore, type Sigstore } from "./sigstore.ts";

const key = newSigningKey();
const PATH = "/api/v2/log/entries";
let sigstore: Sigstore;

beforeAll(async () => {
  sigstore = await startSigstore();
});
afterAll(() => sigstore.close());

test("an envelope's hash is logged, and with a timestamp the bundle verifies", async () => {
  const payload = statementAbout("in:v2");
  const signed = dsse.preAuthEncoding(IN_TOTO, payload);
  const signature = signBytes(signed, key);
  const { status, json } = await post(requestFor(signed, signature));
  expect(status).toBe(201);
  const witness = new TSAWitness({ tsaBaseURL: sigstore.url });
  const { rfc3161Timestamps = [] } = await witness.testify({
    $case: "messageSignature",
    messageSignature: { messageDigest: { algorithm: 1, digest: Buffer.alloc(0) }, signature },
  });
  const bundle = bundleFromJSON({
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    dsseEnvelope: {
      payload: payload.toString("base64"),
      payloadType: IN_TOTO,
      signatures: [{ sig: signature.toString("base64"), keyid: "" }],
    },
    verificationMaterial: {
      publicKey: { hint: "key" },
      tlogEntries: [json],
      timestampVerificationData: {
        rfc3161Timestamps: rfc3161Timestamps.map(({ signedTimestamp }) => ({
          signedTimestamp: signedTimestamp.toString("base64"),
        })),
      },
    },
  });
  const trust = toTrustMaterial(TrustedRoot.fromJSON(sigstore.trustedRoot), () => ({
    publicKey: createPublicKey(key),
    validFor: () => true,
  }));
  expect(new Verifier(trust).verify(toSignedEntity(bundle)).key).toBeDefined();
});

test("the same entry again is a conflict that tells its index and no more", async () => {
  const signed = Buffer.from("twice");
  const request = requestFor(signed, signBytes(signed, key));
  const { json } = await post(request);
  const second = await post(request);
  expect(second.status).toBe(409);
  expect(second.headers.get("x-log-index")).toBe((json as { logIndex: string }).logIndex);
  expect(second.json).toMatchObject({ code: 6, details: [] });
});

test("the checkpoint is signed by the log's Ed25519 key under the host's name", async () => {
  const text = await (await fetch(`${sigstore.url}/api/v2/checkpoint`)).text();
  const [note = "", line = ""] = text.split("\n\n");
  expect(`${note}\n`).toMatch(new RegExp(`^127\\.0\\.0\\.1\n${sigstore.logV2.size}\n[\\w+/=]{44}\n$`));
  const bytes = Buffer.from(/^\u2014 127\.0\.0\.1 ([\w+/=]+)\n$/.exec(line)?.[1] ?? "", "base64");
  expect(bytes.subarray(0, 4)).toEqual(sigstore.logV2.logId.subarray(0, 4));
  expect(verify(null, Buffer.from(`${note}\n`), sigstore.logV2.publicKey, bytes.subarray(4))).toBe(true);
});

test("tiles and entry bundles hold the hashes and bodies of the tree", () => {
  const bodies = Array.from({ length: 258 }, (_, i) => Buffer.from(`body ${i}`));
  const lines = bodies.map((body) => ({ body: body.toString("base64") }));
  const { privateKey } = generateKeyPairSync("ed25519");
  const log = rekorV2Log({ hostname: "example.test", privateKey, file: { lines, append: () => undefined } });
  const read = (path: string) => {
    const request = {
      method: "GET",
      path,
      query: new URLSearchParams(),
      mediaType: "",
      headers: {},
      body: Buffer.alloc(0),
    };
    return Buffer.from(log.answer(request).body);
  };
  const tree = merkleTree();
  for (const body of bodies) tree.append(body);
  expect(read("/api/v2/tile/0/000")).toEqual(
    Buffer.concat(bodies.slice(0, 256).map((body) => hashLeaf(body))),
  );
  expect(read("/api/v2/tile/0/001.p/2")).toEqual(
    Buffer.concat(bodies.slice(256).map((body) => hashLeaf(body))),
  );
  expect(read("/api/v2/tile/1/000.p/1")).toEqual(tree.root(256));
  expect(read("/api/v2/tile/entries/001.p/2").toString()).toBe("\0\bbody 256\0\bbody 257");
  expect(read("/api/v2/checkpoint").toString()).toMatch(
    `example.test\n258\n${tree.root().toString("base64")}\n\n`,
  );
});

test.for([
  "/api/v2/tile/0/000",
  "/api/v2/tile/0/000.p/256",
  "/api/v2/tile/0/999.p/1",
  "/api/v2/tile/0/000.p/257",
  "/api/v2/tile/x/000",
  "/api/v2/tile/9/000.p/1",
  "/api/v2/tile/99/x999/x999/x999/999",
])("there is no tile %s", async (path) => {
  expect((await fetch(`${sigstore.url}${path}`)).status).toBe(404);
});

test.for<{ row: string; request: unknown; says: string }>([
  {
    row: "a signature of something else",
    request: requestFor(Buffer.from("signed"), signBytes(Buffer.from("other"), key)),
    says: "invalid hashedrekord request",
  },
  {
    row: "a key that is none",
    request: withKey({ rawBytes: "AAAA" }),
    says: "invalid hashedrekord request",
  },
  { row: "no key", request: withKey(undefined), says: "invalid hashedrekord request" },
  {
    row: "an Ed25519 key",
    request: requestFor(Buffer.from("signed"), Buffer.alloc(64), {
      privateKey: generateKeyPairSync("ed25519").privateKey,
    }),
    says: "invalid hashedrekord request",
  },
  { row: "a dsse entry", request: { dsseRequestV002: {} }, says: "invalid type, must be hashedrekord" },
  { row: "a list", request: [], says: "unexpected token" },
  { row: "nothing", request: undefined, says: "invalid type, must be hashedrekord" },
  { row: "no JSON", request: "{", says: "unexpected EOF" },
  { row: "a field that is not known", request: { more: 1 }, says: 'unknown field "more"' },
  { row: "two kinds of entries at once", request: changed({}, { dsseRequestV002: {} }), says: "already set" },
  {
    row: "one field in two writings",
    request: withKey({ rawBytes: "AAAA", raw_bytes: "" }),
    says: "duplicate",
  },
  { row: "bytes that are not base64", request: changed({ digest: "***" }), says: "bytes field digest" },
  { row: "an algorithm without name", request: withKey(undefined, "PKIX_UNKNOWN"), says: "field keyDetails" },
  { row: "more than four megabytes", request: " ".repeat(5_000_000), says: "http: request body too large" },
])("refuses $row", async ({ request, says }) => {
  const { status, json } = await post(request);
  expect(status).toBe(400);
  expect(json).toEqual({ code: 3, message: expect.stringContaining(says), details: [] });
});

test("breaks on an Ed25519 key under its own name, as the real one does", async () => {
  const by = { privateKey: generateKeyPairSync("ed25519").privateKey, keyDetails: "PKIX_ED25519" };
  const { status, json } = await post(requestFor(Buffer.from("signed"), Buffer.alloc(64), by));
  expect(status).toBe(500);
  expect(json).toMatchObject({ code: 13, message: "internal server error" });
});

test("breaks on an entry that does not fit in a bundle, as the real one does", async () => {
  const authority = await certificateAuthority(newSigningKey(), { time: new Date() });
  const certificate = await authority.issue({
    publicKey: createPublicKey(key),
    identity: `https://example.test/${"x".repeat(50_000)}`,
    issuer: "https://issuer.example.test",
  });
  const request = withKey(undefined).hashedRekordRequestV002;
  const verifier = {
    ...request.signature.verifier,
    x509Certificate: { rawBytes: certificate.toString("base64") },
  };
  const { status, json } = await post(changed({ signature: { ...request.signature, verifier } }));
  expect(status).toBe(500);
  expect(json).toMatchObject({ code: 2, message: "failed to integrate entry" });
});

test("fields may be written in snake case, and algorithms as numbers", async () => {
  const text = JSON.stringify(requestFor(Buffer.from("snake"), signBytes(Buffer.from("snake"), key)));
  const snake = text.replace("hashedRekordRequestV002", "hashed_rekord_request_v002");
  const { status } = await post(snake.replace('"PKIX_ECDSA_P256_SHA_256"', "5"));
  expect(status).toBe(201);
});

function requestFor(
  signed: Buffer,
  signature: Buffer,
  by: { readonly privateKey?: KeyObject; readonly keyDetails?: string } = {},
) {
  const { privateKey = key, keyDetails = "PKIX_ECDSA_P256_SHA_256" } = by;
  return {
    hashedRekordRequestV002: {
      digest: createHash("sha256").update(signed).digest("base64"),
      signature: {
        content: signature.toString("base64"),
        verifier: { publicKey: { rawBytes: spki(privateKey).toString("base64") }, keyDetails },
      },
    },
  };
}

/** A good request in which fields were replaced, those of the record or those of the request. */
function changed(record: object, request: object = {}) {
  const signed = Buffer.from("signed");
  const { hashedRekordRequestV002 } = requestFor(signed, signBytes(signed, key));
  return { hashedRekordRequestV002: { ...hashedRekordRequestV002, ...record }, ...request };
}

function withKey(publicKey: object | undefined, keyDetails?: string) {
  const { signature } = changed({}).hashedRekordRequestV002;
  const verifier = { ...signature.verifier, publicKey, ...(keyDetails !== undefined && { keyDetails }) };
  return changed({ signature: { ...signature, verifier } });
}

async function post(body: unknown) {
  const response = await fetch(`${sigstore.url}${PATH}`, {
    method: "POST",
    body: typeof body === "string" ? body : (JSON.stringify(body) ?? ""),
  });
  const json: unknown = await response.json();
  return { status: response.status, headers: response.headers, json };
}

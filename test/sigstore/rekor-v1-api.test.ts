// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { MAX_ATTESTATION_BYTES } from "./intoto-entry.ts";
import { hashLeaf } from "./merkle-tree.ts";
import { FIRST_LOG_INDEX, type LoggedEntry } from "./rekor-v1-log.ts";
import {
  newSigningKey,
  proposeDsse,
  proposeHashedrekord,
  proposeIntoto,
  publicPem,
  sha256Of,
  statementAbout,
} from "./signed-statement.ts";
import { startSigstore, type Sigstore } from "./sigstore.ts";

const key = newSigningKey();
const payload = statementAbout("docker.io/library/alpine:3.16.0");
const NOW = new Date("2026-05-06T07:08:09.900Z");
let sigstore: Sigstore;
let first: LoggedEntry;

beforeAll(async () => {
  sigstore = await startSigstore({ clock: () => NOW });
  first = sigstore.log.append(proposeIntoto(payload, key));
  for (let i = 0; i < 6; i++) sigstore.log.append(proposeIntoto(statementAbout(`other:${i}`), key));
});
afterAll(() => sigstore.close());

async function ask(method: string, path: string, body?: unknown, type = "application/json") {
  const response = await fetch(`${sigstore.url}${path}`, {
    method,
    ...(body === undefined ? {} : { headers: { "Content-Type": type } }),
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const json: unknown = response.headers.get("content-type") === "application/json" ? JSON.parse(text) : text;
  return { status: response.status, headers: response.headers, json };
}

test("a new entry is answered with its proof, a Location and an ETag, but without the payload", async () => {
  const proposed = proposeIntoto(statementAbout("new:entry"), key);
  const { status, headers, json } = await ask("POST", "/api/v1/log/entries", proposed);
  const entry = sigstore.log.entries.at(-1);
  expect(status).toBe(201);
  expect(headers.get("location")).toBe(`/api/v1/log/entries/${entry?.uuid}`);
  expect(headers.get("etag")).toBe(entry?.uuid);
  expect(json).toEqual({
    [entry?.uuid ?? ""]: {
      body: expect.any(String),
      integratedTime: 1778051289,
      logID: sha256Of(createPublicKey(sigstore.rekorPublicKey).export({ type: "spki", format: "der" })),
      logIndex: FIRST_LOG_INDEX + 7,
      verification: {
        inclusionProof: {
          checkpoint: expect.stringMatching(
            /^127\.0\.0\.1 - \d+\n8\n[\w+/=]{44}\n\n\u2014 127\.0\.0\.1 [\w+/=]+\n$/,
          ),
          hashes: [expect.any(String), expect.any(String), expect.any(String)],
          logIndex: 7,
          rootHash: sigstore.log.tree.root(8).toString("hex"),
          treeSize: 8,
        },
        signedEntryTimestamp: expect.any(String),
      },
    },
  });
});

test("the stored body has everything but the payload", () => {
  const proposed = proposeIntoto(payload, key);
  const { payloadType, signatures } = proposed.spec.content.envelope;
  const [signature] = signatures;
  const stored: unknown = JSON.parse(first.body.toString());
  expect(stored).toEqual({
    ...proposed,
    spec: {
      content: {
        ...proposed.spec.content,
        // ECDSA signs differently each time.
        envelope: { payloadType, signatures: [{ ...signature, sig: expect.any(String) }] },
      },
    },
  });
  expect(first.body.toString()).toMatch(
    /^\{"apiVersion":"0\.0\.2","kind":"intoto","spec":\{"content":\{"envelope":/,
  );
});

test("a UUID is the tree's ID and the hash of the body", () => {
  const treeId = BigInt(sigstore.log.treeId).toString(16).padStart(16, "0");
  expect(first.uuid).toBe(treeId + hashLeaf(first.body).toString("hex"));
});

test.for([
  { by: "its UUID", path: () => `/api/v1/log/entries/${first.uuid}` },
  { by: "its leaf hash", path: () => `/api/v1/log/entries/${first.uuid.slice(16)}` },
  { by: "its UUID in upper case", path: () => `/api/v1/log/entries/${first.uuid.toUpperCase()}` },
  { by: "its index in the whole log", path: () => `/api/v1/log/entries?logIndex=${FIRST_LOG_INDEX}` },
])("an entry is read by $by, payload included", async ({ path }) => {
  const { status, json } = await ask("GET", path());
  expect(status).toBe(200);
  expect(json).toMatchObject({
    [first.uuid]: { logIndex: FIRST_LOG_INDEX, attestation: { data: payload.toString("base64") } },
  });
});

test.for([
  { by: "the hash of a subject", query: { hash: sha256Of("docker.io/library/alpine:3.16.0") }, found: true },
  {
    by: "a hash with prefix in upper case",
    query: { hash: `sha256:${sha256Of("docker.io/library/alpine:3.16.0").toUpperCase()}` },
    found: true,
  },
  { by: "the hash of the payload", query: { hash: sha256Of(payload) }, found: true },
  { by: "the hash of the signer's PEM", query: { hash: sha256Of(publicPem(key)) }, found: true },
  {
    by: "either of two keys",
    query: { hash: sha256Of(payload), email: "nobody@example.test", operator: "or" },
    found: true,
  },
  {
    by: "both of two keys, one of which is not its own",
    query: { hash: sha256Of(payload), email: "nobody@example.test", operator: "and" },
    found: false,
  },
  {
    by: "its public key, which never finds intoto entries",
    query: { publicKey: { format: "x509", content: Buffer.from(publicPem(key)).toString("base64") } },
    found: false,
  },
  { by: "a hash nobody logged", query: { hash: "0".repeat(64) }, found: false },
  { by: "a subject nobody has", query: { subject: "https://example.test/nobody" }, found: false },
  { by: "nothing", query: {}, found: false },
])("a search by $by finds it: $found", async ({ query, found }) => {
  const { status, json } = await ask("POST", "/api/v1/index/retrieve", query);
  expect(status).toBe(200);
  expect(json).toEqual(found ? expect.arrayContaining([first.uuid]) : []);
});

test("a search for a common key finds every entry once, not in the order of the log", async () => {
  const { json } = await ask("POST", "/api/v1/index/retrieve", { hash: sha256Of(publicPem(key)) });
  const uuids = sigstore.log.entries.map(({ uuid }) => uuid);
  expect(json).toEqual(uuids.toSorted());
});

test("many entries are read at once, in the order asked for, the unknown left out", async () => {
  const [, second] = sigstore.log.entries;
  const foreign = `0123456789abcdef${first.uuid.slice(16)}`;
  const entryUUIDs = [second?.uuid, "1".repeat(80), foreign, first.uuid.slice(16), first.uuid];
  const { status, json } = await ask("POST", "/api/v1/log/entries/retrieve", { entryUUIDs });
  expect(status).toBe(200);
  expect(json).toEqual([
    { [second?.uuid ?? ""]: expect.objectContaining({ attestation: expect.anything() }) },
    { [first.uuid]: expect.objectContaining({ attestation: expect.anything() }) },
    { [first.uuid]: expect.objectContaining({ attestation: expect.anything() }) },
  ]);
});

test("entries are also read by index and by proposed entry", async () => {
  const proposed = proposeHashedrekord(Buffer.from("read back"), key);
  const logged = sigstore.log.append(proposed);
  const query = { logIndexes: [FIRST_LOG_INDEX, 0], entries: [proposed] };
  const { json } = await ask("POST", "/api/v1/log/entries/retrieve", query);
  expect(json).toEqual([{ [logged.uuid]: expect.anything() }, { [first.uuid]: expect.anything() }]);
});

test("an equivalent entry is a conflict that names the one there is", async () => {
  const proposed = proposeDsse(statementAbout("twice"), key);
  const { uuid } = sigstore.log.append(proposed);
  const { status, headers, json } = await ask("POST", "/api/v1/log/entries", proposed);
  expect(status).toBe(409);
  expect(headers.get("location")).toBe(`/api/v1/log/entries/${uuid}`);
  expect(json).toEqual({ code: 409, message: expect.stringContaining(`with UUID ${uuid}`) });
});

test.for([
  { size: MAX_ATTESTATION_BYTES - 1, stored: true },
  { size: MAX_ATTESTATION_BYTES, stored: false },
])("a payload of $size bytes is logged; stored: $stored", async ({ size, stored }) => {
  const envelope = proposeIntoto(Buffer.alloc(size, `${size} `), key, { payloadType: "text/plain" });
  const { uuid } = sigstore.log.append(envelope);
  const { json } = await ask("GET", `/api/v1/log/entries/${uuid}`);
  expect(json).toEqual({
    [uuid]: stored
      ? expect.objectContaining({ attestation: expect.anything() })
      : expect.not.objectContaining({ attestation: expect.anything() }),
  });
});

test("a dsse entry is found by subject, but its payload is nowhere", async () => {
  const { uuid } = sigstore.log.append(proposeDsse(statementAbout("as:dsse"), key));
  const search = await ask("POST", "/api/v1/index/retrieve", { hash: sha256Of("as:dsse") });
  expect(search.json).toEqual([uuid]);
  const { json } = await ask("GET", `/api/v1/log/entries/${uuid}`);
  expect(json).toEqual({ [uuid]: expect.not.objectContaining({ attestation: expect.anything() }) });
});

test("a hashedrekord entry is found by its public key", async () => {
  const own = newSigningKey();
  const { uuid } = sigstore.log.append(proposeHashedrekord(Buffer.from("file"), own));
  const content = Buffer.from(publicPem(own)).toString("base64");
  const { json } = await ask("POST", "/api/v1/index/retrieve", { publicKey: { format: "x509", content } });
  expect(json).toEqual([uuid]);
});

test.for([
  { type: "Ed25519", own: generateKeyPairSync("ed25519").privateKey },
  { type: "P-384", own: generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey },
  { type: "RSA", own: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey },
])("an intoto entry signed with an $type key is taken", ({ own }) => {
  expect(sigstore.log.append(proposeIntoto(payload, own)).uuid).toMatch(/^[0-9a-f]{80}$/);
});

test("the log tells its size, root and signed tree head", async () => {
  const { json } = await ask("GET", "/api/v1/log");
  expect(json).toMatchObject({
    treeID: sigstore.log.treeId,
    treeSize: sigstore.log.size,
    rootHash: sigstore.log.tree.root().toString("hex"),
    signedTreeHead: expect.stringMatching(
      `^127\\.0\\.0\\.1 - ${sigstore.log.treeId}\n${sigstore.log.size}\n`,
    ),
  });
});

test("the log proves that it only grew", async () => {
  const { json } = await ask("GET", `/api/v1/log/proof?firstSize=3&lastSize=7&treeID=${sigstore.log.treeId}`);
  const hashes = sigstore.log.tree.consistencyProof(3, 7).map((hash) => hash.toString("hex"));
  expect(json).toEqual({ hashes, rootHash: sigstore.log.tree.root().toString("hex") });
});

test("the log's key is PEM", async () => {
  const { headers, json } = await ask("GET", `/api/v1/log/publicKey?treeID=${sigstore.log.treeId}`);
  expect(headers.get("content-type")).toBe("application/x-pem-file");
  expect(json).toBe(sigstore.rekorPublicKey);
});

interface Bad {
  readonly row: string;
  readonly method?: string;
  readonly path: string;
  readonly body?: unknown;
  readonly type?: string;
  readonly status: number;
  readonly code?: number;
  readonly says?: string;
}
const ENTRIES = "/api/v1/log/entries";
const RETRIEVE = "/api/v1/log/entries/retrieve";
const SEARCH = "/api/v1/index/retrieve";
const good = () => proposeIntoto(statementAbout("never:logged"), key);
const envelopeWith = (change: object) => {
  const entry = good();
  return {
    ...entry,
    spec: { content: { ...entry.spec.content, envelope: { ...entry.spec.content.envelope, ...change } } },
  };
};

test.for<Bad>([
  {
    row: "a signature by another key",
    path: ENTRIES,
    body: proposeIntoto(payload, key, { pem: publicPem(newSigningKey()) }),
    status: 400,
    says: "could not verify envelope",
  },
  {
    row: "a payload nobody signed",
    path: ENTRIES,
    body: envelopeWith({ payload: Buffer.from("e30=").toString("base64") }),
    status: 400,
    says: "could not verify envelope",
  },
  {
    row: "no payload",
    path: ENTRIES,
    body: envelopeWith({ payload: "" }),
    status: 400,
    says: "missing envelope content",
  },
  {
    row: "a payload that is not base64",
    path: ENTRIES,
    body: envelopeWith({ payload: "!" }),
    status: 400,
    says: "base64 data for payload",
  },
  {
    row: "no signatures",
    path: ENTRIES,
    body: envelopeWith({ signatures: [] }),
    status: 400,
    says: "validation failure list:\nsignatures in body",
  },
  {
    row: "a signature without key",
    path: ENTRIES,
    body: envelopeWith({ signatures: [{ sig: "" }] }),
    status: 400,
    says: "publicKey in body is required",
  },
  {
    row: "a key that is not PEM",
    path: ENTRIES,
    body: proposeIntoto(payload, key, { pem: "key" }),
    status: 400,
    says: "failure decoding PEM",
  },
  {
    row: "a key that is PEM around nothing",
    path: ENTRIES,
    body: proposeIntoto(payload, key, {
      pem: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    }),
    status: 400,
    says: "cannot parse the public key",
  },
  {
    row: "an older version",
    path: ENTRIES,
    body: { ...good(), apiVersion: "0.0.1" },
    status: 400,
    says: "does not support inserting entries of version '0.0.1'",
  },
  {
    row: "a kind that is switched off",
    path: ENTRIES,
    body: { ...good(), kind: "rekord" },
    status: 400,
    says: "entry kind 'rekord' is not enabled",
  },
  {
    row: "a kind nobody knows",
    path: ENTRIES,
    body: { ...good(), kind: "toString" },
    status: 422,
    code: 422,
    says: 'invalid kind value: "toString"',
  },
  {
    row: "no spec",
    path: ENTRIES,
    body: { kind: "intoto", apiVersion: "0.0.2" },
    status: 422,
    code: 602,
    says: "spec in body is required",
  },
  {
    row: "a hashedrekord of another digest",
    path: ENTRIES,
    body: {
      ...proposeHashedrekord(Buffer.from("a"), key),
      spec: {
        ...proposeHashedrekord(Buffer.from("a"), key).spec,
        data: { hash: { algorithm: "sha256", value: "0".repeat(64) } },
      },
    },
    status: 400,
    says: "verifying signature",
  },
  {
    row: "a dsse envelope that is not JSON",
    path: ENTRIES,
    body: { kind: "dsse", apiVersion: "0.0.1", spec: { proposedContent: { envelope: "{", verifiers: [] } } },
    status: 400,
    says: "not JSON",
  },
  { row: "an entry that is a list", path: ENTRIES, body: [], status: 500, says: "not an object" },
  {
    row: "an entry that is null",
    path: ENTRIES,
    body: "null",
    status: 422,
    code: 602,
    says: "kind in body is required",
  },
  { row: "an entry that is not JSON", path: ENTRIES, body: '{"kind":', status: 500, says: "not JSON" },
  {
    row: "an entry nested beyond reason",
    path: ENTRIES,
    body: "[".repeat(1_000_000),
    status: 500,
    says: "not JSON",
  },
  {
    row: "an empty body",
    path: ENTRIES,
    body: "",
    status: 422,
    code: 602,
    says: "proposedEntry in body is required",
  },
  {
    row: "an entry of another media type",
    path: ENTRIES,
    body: "{}",
    type: "text/plain",
    status: 415,
    says: 'unsupported media type "text/plain"',
  },
  {
    row: "eleven UUIDs",
    path: RETRIEVE,
    body: { entryUUIDs: Array.from({ length: 11 }, () => "0".repeat(64)) },
    status: 422,
    code: 611,
    says: "entryUUIDs in body should have at most 10 items",
  },
  {
    row: "eleven queries of two sorts",
    path: RETRIEVE,
    body: { entryUUIDs: Array.from({ length: 6 }, () => "0".repeat(64)), logIndexes: [1, 2, 3, 4, 5] },
    status: 422,
    code: 422,
    says: "more than max allowed 10 entries in request",
  },
  {
    row: "an empty list of UUIDs",
    path: RETRIEVE,
    body: { entryUUIDs: [] },
    status: 422,
    code: 612,
    says: "at least 1 items",
  },
  {
    row: "a UUID that is too short",
    path: RETRIEVE,
    body: { entryUUIDs: ["00"] },
    status: 422,
    code: 605,
    says: "entryUUIDs.0 in body should match",
  },
  {
    row: "a list of UUIDs that is none",
    path: RETRIEVE,
    body: { entryUUIDs: "00" },
    status: 400,
    says: "not a list",
  },
  {
    row: "a hash of a wrong length",
    path: SEARCH,
    body: { hash: "abc" },
    status: 422,
    code: 605,
    says: "hash in body should match",
  },
  {
    row: "a hash that is a number",
    path: SEARCH,
    body: { hash: 1 },
    status: 400,
    says: "hash is not a string",
  },
  {
    row: "an unknown operator",
    path: SEARCH,
    body: { operator: "xor" },
    status: 422,
    code: 606,
    says: "operator in body should be one of",
  },
  {
    row: "an email that is none",
    path: SEARCH,
    body: { email: "nobody" },
    status: 422,
    code: 601,
    says: "email in body must be of type email",
  },
  {
    row: "an endless subject",
    path: SEARCH,
    body: { subject: "s".repeat(513) },
    status: 422,
    code: 603,
    says: "subject in body should be at most 512",
  },
  {
    row: "a public key of another format",
    path: SEARCH,
    body: { publicKey: { format: "pgp" } },
    status: 400,
    says: "PKI format",
  },
  {
    row: "a public key that is none",
    path: SEARCH,
    body: { publicKey: { format: "x509", content: "AAAA" } },
    status: 400,
    says: "could not be parsed",
  },
  { row: "an unknown entry", method: "GET", path: `${ENTRIES}/${"1".repeat(80)}`, status: 404 },
  {
    row: "an entry in a tree that cannot be",
    method: "GET",
    path: `${ENTRIES}/${"f".repeat(80)}`,
    status: 400,
    says: "ffffffffffffffff is not a valid TreeID",
  },
  {
    row: "an entry in the tree 0",
    method: "GET",
    path: `${ENTRIES}/${"0".repeat(80)}`,
    status: 500,
    says: "error communicating",
  },
  {
    row: "entries of which one is in a tree that cannot be",
    path: RETRIEVE,
    body: { entryUUIDs: ["1".repeat(64), "f".repeat(80)] },
    status: 400,
    says: "invalid entryID ffff",
  },
  {
    row: "an index below zero among others",
    path: RETRIEVE,
    body: { logIndexes: [1, -1] },
    status: 422,
    code: 609,
    says: "logIndexes.1 in body",
  },
  {
    row: "an entry whose version is none",
    path: ENTRIES,
    body: { ...good(), apiVersion: "two" },
    status: 422,
    code: 605,
    says: "apiVersion in body",
  },
  { row: "an index of an earlier shard", method: "GET", path: `${ENTRIES}?logIndex=0`, status: 404 },
  {
    row: "an index that is none",
    method: "GET",
    path: `${ENTRIES}?logIndex=x`,
    status: 422,
    code: 601,
    says: "logIndex in query",
  },
  {
    row: "no index",
    method: "GET",
    path: ENTRIES,
    status: 422,
    code: 602,
    says: "logIndex in query is required",
  },
  {
    row: "a negative index",
    method: "GET",
    path: `${ENTRIES}?logIndex=-1`,
    status: 422,
    code: 609,
    says: "greater than or equal to 0",
  },
  {
    row: "a UUID of another length",
    method: "GET",
    path: `${ENTRIES}/abc`,
    status: 422,
    code: 605,
    says: "entryUUID in path should match",
  },
  {
    row: "a proof to a tree not yet there",
    method: "GET",
    path: "/api/v1/log/proof?lastSize=1000000",
    status: 400,
    says: "greater than what is currently observable",
  },
  {
    row: "a proof backwards",
    method: "GET",
    path: "/api/v1/log/proof?firstSize=5&lastSize=4",
    status: 400,
    says: "firstSize(5) must be less than lastSize(4)",
  },
  {
    row: "a proof in another tree",
    method: "GET",
    path: "/api/v1/log/proof?lastSize=1&treeID=1",
    status: 400,
    says: "no log range found for tree ID 1",
  },
  {
    row: "a path there is not",
    method: "GET",
    path: "/api/v1/logs",
    status: 404,
    says: "path /api/v1/logs was not found",
  },
  {
    row: "a method there is not",
    method: "DELETE",
    path: ENTRIES,
    status: 405,
    says: "method DELETE is not allowed",
  },
])(
  "refuses $row with $status",
  async ({ method = "POST", path, body, type, status, code = status, says }) => {
    const before = sigstore.log.size;
    const { status: got, json } = await ask(method, path, body, type);
    expect(got).toBe(status);
    expect(json).toEqual(says === undefined ? "" : { code, message: expect.stringContaining(says) });
    expect(sigstore.log.size).toBe(before);
  },
);

test("search may show an entry before the one that was logged earlier", async () => {
  const busy = await startSigstore({ lag: (index) => (index === 0 ? 60_000 : 0) });
  onTestFinished(() => busy.close());
  const [, second] = [0, 1].map(() => busy.log.append(proposeIntoto(statementAbout("raced"), key)));
  const response = await fetch(`${busy.url}/api/v1/index/retrieve`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ hash: sha256Of("raced") }),
  });
  expect(await response.json()).toEqual([second?.uuid]);
});

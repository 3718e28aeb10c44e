// SPDX-License-Identifier: Apache-2.0
import { bundleFromJSON, bundleToJSON, type SerializedBundle } from "@sigstore/bundle";
import { TrustedRoot } from "@sigstore/protobuf-specs";
import { DSSEBundleBuilder, FulcioSigner, RekorWitness, TSAWitness, type Signer } from "@sigstore/sign";
import { toSignedEntity, toTrustMaterial, Verifier, type TrustMaterial } from "@sigstore/verify";
import { createHash, createPublicKey, X509Certificate, type KeyObject } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { identityToken } from "./identity-token.ts";
import { rebuildBundle, type AnsweredEntry } from "./rebuilt-bundle.ts";
import { signBytes, spki } from "./signed-note.ts";
import { IN_TOTO, newSigningKey, publicPem, sha256Of, statementAbout } from "./signed-statement.ts";
import { startSigstore, type Sigstore } from "./sigstore.ts";

const IDENTITY = "https://example.test/build.yml@refs/heads/main";
const key = newSigningKey();
const out = mkdtempSync(join(tmpdir(), "sigstore-"));
let sigstore: Sigstore;
let trust: TrustMaterial;

beforeAll(async () => {
  sigstore = await startSigstore({ out });
  const written: unknown = JSON.parse(readFileSync(sigstore.trustedRootPath ?? "", "utf8"));
  trust = toTrustMaterial(TrustedRoot.fromJSON(written), (hint) => {
    if (hint !== hintOf(key)) throw new Error(`unknown key ${hint}`);
    return { publicKey: createPublicKey(key), validFor: () => true };
  });
});
afterAll(async () => {
  await sigstore.close();
  rmSync(out, { recursive: true });
});

test("a statement signed with a key is logged, found, rebuilt to a bundle with the same content and verified", async () => {
  const made = await record(keySigner(key), "by:key");
  const rebuilt = await find("by:key");
  verify(rebuilt);
  const { publicKey } = made.verificationMaterial;
  const { canonicalizedBody } = made.verificationMaterial.tlogEntries[0] ?? {};
  expect(rebuilt.dsseEnvelope).toMatchObject(made.dsseEnvelope ?? {});
  // The log signs anew with every answer, so its two signatures differ.
  expect(rebuilt.verificationMaterial).toMatchObject({ publicKey, tlogEntries: [{ canonicalizedBody }] });
});

test("a statement signed with a certificate is found under its identity, rebuilt and verified", async () => {
  await record(certificateSigner(), "by:certificate");
  const hash = sha256Of("by:certificate");
  const byIdentity = await search({ hash, subject: IDENTITY, operator: "and" });
  expect(byIdentity).toHaveLength(1);
  expect(byIdentity).toEqual(await search({ hash }));
  expect(verify(await find("by:certificate")).identity?.subjectAlternativeName).toBe(IDENTITY);
});

test("a bundle verifies as it was and as it is rebuilt after the log has grown", async () => {
  await record(keySigner(key), "early:bird");
  const early = await find("early:bird");
  for (let i = 0; i < 5; i++) await record(keySigner(key), `later:${i}`);
  const late = await find("early:bird");
  expect(late).not.toEqual(early);
  verify(early);
  verify(late);
});

test("what was signed with a certificate and timestamped verifies with the trusted root of the next run", async () => {
  const directory = join(out, "two-runs");
  const first = await startSigstore({ out: directory });
  const witnesses = [
    new RekorWitness({ rekorBaseURL: first.url, entryType: "intoto" }),
    new TSAWitness({ tsaBaseURL: first.url }),
  ];
  const builder = new DSSEBundleBuilder({ signer: certificateSigner(first.url), witnesses });
  const bundle = await builder.create({ data: statementAbout("run:1"), type: IN_TOTO });
  await first.close();
  const second = await startSigstore({ out: directory });
  await second.close();
  for (const { trustedRoot } of [first, second]) {
    const material = toTrustMaterial(TrustedRoot.fromJSON(trustedRoot));
    const verified = new Verifier(material, { timestampThreshold: 2 }).verify(toSignedEntity(bundle));
    expect(verified.identity?.subjectAlternativeName).toBe(IDENTITY);
  }
});

test("a certificate tells the time of the clock it was given", async () => {
  const later = new Date(Date.now() + 90 * 24 * 3600 * 1000);
  const ahead = await startSigstore({ clock: () => later });
  const { key: signedBy } = await certificateSigner(ahead.url, later).sign(Buffer.from("text"));
  await ahead.close();
  if (signedBy.$case !== "x509Certificate") throw new Error("not signed with a certificate");
  const issued = new Date(new X509Certificate(signedBy.certificate).validFrom);
  expect(issued.getTime()).toBe(Math.floor(later.getTime() / 1000) * 1000);
});

test("a timestamp of the timestamp authority verifies", async () => {
  const witnesses = [rekorWitness(), new TSAWitness({ tsaBaseURL: sigstore.url })];
  const builder = new PlainBundleBuilder({ signer: keySigner(key), witnesses });
  const bundle = await builder.create({ data: statementAbout("by:clock"), type: IN_TOTO });
  const verifier = new Verifier(trust, { timestampThreshold: 2 });
  expect(verifier.verify(toSignedEntity(bundle)).key).toBeDefined();
});

type Bundle = ReturnType<typeof rebuildBundle>;
type Entry = Bundle["verificationMaterial"]["tlogEntries"][0];

test.for<{ row: string; change: (entry: Entry, bundle: Bundle) => void; says: string | RegExp }>([
  {
    row: "another payload",
    change: (_entry, { dsseEnvelope }) => (dsseEnvelope.payload = "e30="),
    says: "payload hash mismatch",
  },
  {
    row: "another time",
    change: (entry) => (entry.integratedTime = "1900000000"),
    says: "inclusion promise",
  },
  { row: "another index in the log", change: (entry) => (entry.logIndex = "1"), says: "inclusion promise" },
  {
    row: "another index in the tree",
    change: (entry) => (entry.inclusionProof.logIndex = "0"),
    says: /invalid hash count|invalid index|calculated root hash does not match/,
  },
  {
    row: "a checkpoint of another size",
    change: ({ inclusionProof: { checkpoint } }) =>
      (checkpoint.envelope = checkpoint.envelope.replace(/\n\d+\n/, "\n1000\n")),
    says: "invalid checkpoint signature",
  },
])("a rebuilt bundle with $row does not verify", async ({ row, change, says }) => {
  await record(keySigner(key), "not:first");
  await record(keySigner(key), row);
  const bundle = await find(row);
  verify(bundle);
  change(bundle.verificationMaterial.tlogEntries[0], bundle);
  expect(() => verify(bundle)).toThrow(says);
});

function keySigner(privateKey: KeyObject): Signer {
  return {
    sign: (data) =>
      Promise.resolve({
        signature: signBytes(data, privateKey),
        key: { $case: "publicKey", publicKey: publicPem(privateKey), hint: hintOf(privateKey) },
      }),
  };
}

function certificateSigner(fulcioBaseURL = sigstore.url, now = new Date()): Signer {
  const claims = { sub: IDENTITY, iss: "https://issuer.test", email: undefined };
  const identityProvider = { getToken: () => Promise.resolve(identityToken(claims, now)) };
  return new FulcioSigner({ fulcioBaseURL, identityProvider });
}

function hintOf(privateKey: KeyObject): string {
  return createHash("sha256").update(spki(privateKey)).digest("base64");
}

function rekorWitness(): RekorWitness {
  return new RekorWitness({ rekorBaseURL: sigstore.url, entryType: "intoto" });
}

/** The stock builder copies the key's hint into the envelope as keyid, where other verifiers look for the key's own ID. */
class PlainBundleBuilder extends DSSEBundleBuilder {
  protected override async package(...given: Parameters<DSSEBundleBuilder["package"]>) {
    const bundle = await super.package(...given);
    for (const signature of bundle.content.dsseEnvelope.signatures) signature.keyid = "";
    return bundle;
  }
}

async function record(signer: Signer, subject: string): Promise<SerializedBundle> {
  const builder = new PlainBundleBuilder({ signer, witnesses: [rekorWitness()] });
  const bundle = bundleToJSON(await builder.create({ data: statementAbout(subject), type: IN_TOTO }));
  verify(bundle);
  return bundle;
}

/** The bundle of the last entry about the subject. */
async function find(subject: string): Promise<Bundle> {
  const uuids = await search({ hash: sha256Of(subject) });
  const entries = (await post("/api/v1/log/entries/retrieve", { entryUUIDs: uuids })) as Record<
    string,
    AnsweredEntry
  >[];
  const [last] = entries.flatMap(Object.values<AnsweredEntry>).toSorted((a, b) => b.logIndex - a.logIndex);
  if (last === undefined) throw new Error(`nothing in the log about ${subject}`);
  return rebuildBundle(last);
}

async function search(query: object): Promise<readonly string[]> {
  return (await post("/api/v1/index/retrieve", query)) as string[];
}

async function post(path: string, body: object): Promise<unknown> {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`${sigstore.url}${path}`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  return response.json();
}

function verify(bundle: object) {
  return new Verifier(trust).verify(toSignedEntity(bundleFromJSON(bundle)));
}

// SPDX-License-Identifier: Apache-2.0
import { json } from "@sigstore/core";
import { sign } from "node:crypto";
import { describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { LogEntryError } from "../../src/log/entry.ts";
import { MAX_LOGGING_DELAY_SECONDS } from "../../src/record/candidate.ts";
import { RecordError } from "../../src/record/error.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import type { TagRecord, RecordContext } from "../../src/record/record.ts";
import { proveEntry } from "./prove.ts";
import {
  ALPINE,
  DIGEST,
  jointRoot,
  OBSERVED,
  OTHER_DIGEST,
  sampleKey,
  sampleLog,
  sighting,
  signEnvelope,
  type SampleEnvelope,
  trusting,
} from "./sample-log.ts";

const key = sampleKey();
const stranger = sampleKey();
const sample = sampleLog();

sample.record(sighting({ reference: `${ALPINE}-1` }), stranger);
const logged = sample.record(sighting(), key);
sample.record(sighting({ reference: `${ALPINE}-2` }), stranger);

const context: RecordContext = {
  subject: parseReference("alpine:3.16.0"),
  trust: trusting(stranger.signer, key.signer),
  trustedRoot: sample.trustedRoot,
};
const justKey: RecordContext = { ...context, trust: trusting(key.signer) };

function verify(found: { uuid: string; entry: unknown }, where = context): TagRecord {
  return proveEntry(found, where);
}

function refusal(action: () => unknown): RecordError | LogEntryError {
  try {
    action();
  } catch (error) {
    if (error instanceof RecordError || error instanceof LogEntryError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("a record of the tag is accepted", () => {
  test("with all that was said and proven", () => {
    const record = verify(sample.found(logged));
    expect(record).toMatchObject({
      ...sighting(),
      uuid: logged.uuid,
      logIndex: BigInt(logged.logIndex),
      logId: sample.log.logId.toString("hex"),
      logUrl: "https://rekor.example.org",
      loggedAt: new Date("2022-06-28T13:30:02Z"),
      signer: { kind: "key", fingerprint: key.signer.fingerprint },
      may: new Set(["record", "approve"]),
      strength: "full",
    });
    expect(record.bundle?.verificationMaterial.tlogEntries[0]?.canonicalizedBody).toBe(
      logged.body.toString("base64"),
    );
  });

  test.for([
    { row: "when the reference asked about has a digest", asked: `alpine:3.16.0@${OTHER_DIGEST}` },
    { row: "however the tag is written", asked: "index.docker.io/library/alpine:3.16.0" },
  ])("$row", ({ asked }) => {
    expect(verify(sample.found(logged), { ...context, subject: parseReference(asked) }).digest).toBe(DIGEST);
  });

  test("under its short UUID", () => {
    const { uuid, entry } = sample.found(logged);
    expect(verify({ uuid: uuid.slice(-64), entry }).digest).toBe(DIGEST);
  });

  test("signed with Ed25519", () => {
    const ed25519 = sampleKey("ed25519");
    const log = sampleLog();
    const entry = log.record(sighting(), ed25519);
    const where = { ...context, trust: trusting(ed25519.signer), trustedRoot: log.trustedRoot };
    expect(verify(log.found(entry), where).signer).toBe(ed25519.signer);
  });

  test("with a key id in its envelope, which is kept in the bundle", () => {
    const log = sampleLog();
    const { signatures, ...envelope } = signEnvelope(sightingStatement(sighting()), key);
    const entry = log.append({
      ...envelope,
      signatures: signatures.map((each) => ({ ...each, keyid: "k1" })),
    });
    const record = verify(log.found(entry), { ...context, trustedRoot: log.trustedRoot });
    expect(record.bundle?.dsseEnvelope.signatures[0]?.keyid).toBe("k1");
  });

  test("of a plain manifest and of a digest that is a sha512", () => {
    const log = sampleLog();
    const digest = `sha512:${"5a".repeat(64)}` as const;
    const entry = log.record(sighting({ digest, platforms: [] }), key);
    const record = verify(log.found(entry), { ...context, trustedRoot: log.trustedRoot });
    expect(record).toMatchObject({ digest, platforms: [] });
  });

  test.for([
    { row: "logged at the end of the window", delay: MAX_LOGGING_DELAY_SECONDS },
    { row: "logged by a builder whose clock is ahead", delay: -MAX_LOGGING_DELAY_SECONDS },
  ])("$row", ({ delay }) => {
    const log = sampleLog();
    log.now = new Date(OBSERVED.getTime() + delay * 1000);
    const entry = log.record(sighting(), key);
    expect(verify(log.found(entry), { ...context, trustedRoot: log.trustedRoot }).observedAt).toEqual(
      OBSERVED,
    );
  });
});

describe("what a log took in, and is still no record, is refused", () => {
  const statement = sightingStatement(sighting());
  const good = signEnvelope(statement, key);
  const forge = (change: Partial<SampleEnvelope["signatures"][0]>): SampleEnvelope => ({
    ...good,
    signatures: good.signatures.map((each) => ({ ...each, ...change })),
  });
  const foreign = signEnvelope(statement, stranger);
  const underOtherKey = {
    ...foreign,
    signatures: foreign.signatures.map((each) => ({ ...each, pem: key.pem })),
  };
  /** A statement that differs in one thing, signed by the trusted key all the same. */
  const statementWith = (change: (value: { [field: string]: unknown }) => unknown): SampleEnvelope => {
    const value = JSON.parse(new TextDecoder().decode(statement)) as { [field: string]: unknown };
    change(value);
    return signEnvelope(Buffer.from(json.canonicalize(value)), key);
  };

  test.for<{ row: string; envelope: SampleEnvelope; code: string; says: string }>([
    {
      row: "a forged signature",
      envelope: forge({ sig: sign("sha256", Buffer.from("something else"), key.privateKey) }),
      code: "bad-signature",
      says: "not signed by key sha256:",
    },
    {
      row: "a stranger's signature under the trusted key",
      envelope: underOtherKey,
      code: "bad-signature",
      says: "not signed by key sha256:",
    },
    {
      row: "a signature that is noise",
      envelope: forge({ sig: Buffer.from("noise") }),
      code: "bad-signature",
      says: "not signed by key sha256:",
    },
    { row: "an empty signature", envelope: forge({ sig: Buffer.alloc(0) }), code: "malformed", says: "sig" },
    {
      row: "a stranger's key",
      envelope: signEnvelope(statement, stranger),
      code: "untrusted-signer",
      says: `the key ${stranger.signer.fingerprint}, which is not trusted here`,
    },
    {
      row: "a stranger's key under a trusted signature",
      envelope: forge({ pem: stranger.pem }),
      code: "untrusted-signer",
      says: "not trusted here",
    },
    {
      row: "two keys in one, the trusted first",
      envelope: forge({ pem: key.pem + stranger.pem }),
      code: "malformed",
      says: "not one PEM block",
    },
    {
      row: "a certificate",
      envelope: forge({ pem: key.pem.replaceAll("PUBLIC KEY", "CERTIFICATE") }),
      code: "untrusted-signer",
      says: "a certificate that does not name one identity",
    },
    {
      row: "a key that is noise",
      envelope: forge({ pem: "noise" }),
      code: "malformed",
      says: "not one PEM block",
    },
    {
      row: "two signatures, both good",
      envelope: { ...good, signatures: [...good.signatures, ...good.signatures] },
      code: "malformed",
      says: "signatures",
    },
    { row: "no signature", envelope: { ...good, signatures: [] }, code: "malformed", says: "signatures" },
    {
      row: "a sighting of another tag",
      envelope: signEnvelope(
        sightingStatement(sighting({ reference: "docker.io/library/alpine:3.16" })),
        key,
      ),
      code: "wrong-subject",
      says: 'it is about "docker.io/library/alpine:3.16", not about "docker.io/library/alpine:3.16.0"',
    },
    {
      row: "another payload type",
      envelope: signEnvelope(statement, key, "application/json"),
      code: "not-a-sighting",
      says: "not an in-toto statement",
    },
    {
      row: "another predicate type",
      envelope: statementWith((value) => (value["predicateType"] = "https://slsa.dev/provenance/v1")),
      code: "not-a-sighting",
      says: "another predicate type",
    },
    {
      row: "a field more in the statement",
      envelope: statementWith((value) => (value["extra"] = 1)),
      code: "malformed",
      says: "extra",
    },
    {
      row: "a statement that is too long",
      envelope: statementWith((value) =>
        Object.assign(value["predicate"] as object, { note: "x".repeat(70_000) }),
      ),
      code: "malformed",
      says: "longer than 65536 bytes",
    },
    {
      row: "a time of observation long before the log's",
      envelope: signEnvelope(
        sightingStatement(sighting({ observedAt: new Date("2022-06-28T13:15:01Z") })),
        key,
      ),
      code: "replayed",
      says: "logged 901 s after it was observed",
    },
    {
      row: "a time of observation after the log's",
      envelope: signEnvelope(
        sightingStatement(sighting({ observedAt: new Date("2022-06-28T13:45:03Z") })),
        key,
      ),
      code: "replayed",
      says: "logged 901 s before it was observed",
    },
  ])("$row", ({ envelope, code, says }) => {
    const log = sampleLog();
    log.record(sighting({ reference: `${ALPINE}-1` }), stranger);
    const entry = log.force(envelope);
    const error = refusal(() => verify(log.found(entry), { ...justKey, trustedRoot: log.trustedRoot }));
    expect(error.code).toBe(code);
    expect(error.message).toContain(says);
  });

  test("an old sighting that somebody logs again today", () => {
    const log = sampleLog();
    log.append(good);
    log.now = new Date("2024-01-01T00:00:00Z");
    const copy = log.append(good, "again");
    const error = refusal(() => verify(log.found(copy), { ...context, trustedRoot: log.trustedRoot }));
    expect(error.code).toBe("replayed");
  });

  test("an entry of another kind", () => {
    const body = Buffer.from(json.canonicalize({ apiVersion: "0.0.1", kind: "hashedrekord", spec: {} }));
    const log = sampleLog();
    const entry = log.log.force({ body, indexKeys: [] });
    const error = refusal(() => verify(log.found(entry), { ...context, trustedRoot: log.trustedRoot }));
    expect(error).toMatchObject({
      code: "not-a-sighting",
      message: expect.stringContaining('"hashedrekord 0.0.1"'),
    });
  });

  test("everything, when nobody is trusted", () => {
    const error = refusal(() => verify(sample.found(logged), { ...context, trust: trusting() }));
    expect(error.code).toBe("untrusted-signer");
  });

  test("everything from before the log's key was valid", () => {
    const root = JSON.parse(JSON.stringify(sample.root).replace("2021-01-01", "2022-06-29")) as object;
    const log = { ...sample, root };
    const error = refusal(() => verify(sample.found(logged), { ...context, trustedRoot: jointRoot(log) }));
    expect(error.code).toBe("not-in-log");
  });
});

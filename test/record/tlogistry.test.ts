// SPDX-License-Identifier: Apache-2.0
import { json } from "@sigstore/core";
import { createHash } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { readHistory, standing } from "../../src/record/history.ts";
import { parseIdentity, type Trust } from "../../src/record/signer.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import { tlogistrySubjectHash } from "../../src/record/tlogistry.ts";
import type { RecordContext } from "../../src/record/record.ts";
import {
  certify,
  type CertifiedKey,
  rootWith,
  type SampleAuthority,
  sampleAuthority,
  signCertified,
} from "./sample-identity.ts";
import {
  type AnsweredEntry,
  asEvidence,
  DIGEST,
  OTHER_DIGEST,
  sampleKey,
  sampleLog,
  type SampleLog,
  sighting,
  signEnvelope,
} from "./sample-log.ts";

const NAME = "index.docker.io/library/alpine:3.16.0";
const TLOGISTRY = {
  issuer: "https://accounts.google.com",
  identity: "tlogistry@kontaindotme.iam.gserviceaccount.com",
};
const signer = parseIdentity(TLOGISTRY);
const counts: Trust = { signer, may: new Set(["record"]), tlogistry: true };
const key = sampleKey();

let authority: SampleAuthority;
let certified: CertifiedKey;
beforeAll(async () => {
  authority = await sampleAuthority();
  certified = await certify(authority.issuing, TLOGISTRY);
});

const hex = (text: string): string => createHash("sha256").update(text).digest("hex");

/** A statement as tlogistry wrote it, which is not canonical JSON. */
function statement(change: object = {}): string {
  return JSON.stringify({
    _type: "intoto",
    predicateType: "tlogistry-fetched",
    subject: [{ name: NAME, digest: { sha256: hex(NAME) } }],
    predicate: { digest: DIGEST, tag: NAME },
    ...change,
  });
}

interface Legacy {
  readonly payload?: string;
  readonly pem?: string;
  /** The entry's own `spec`, changed. */
  readonly spec?: (spec: { content: { [field: string]: unknown }; publicKey: unknown }) => unknown;
}

/** An `intoto` 0.0.1 entry, as the log has them since 2022: neither signature nor envelope. */
function logLegacy(log: SampleLog, { payload = statement(), pem = certified.pem, spec }: Legacy = {}) {
  const hash = hex(payload);
  const fields = {
    content: {
      hash: { algorithm: "sha256", value: hex("the envelope") },
      payloadHash: { algorithm: "sha256", value: hash },
    },
    publicKey: Buffer.from(pem).toString("base64") as unknown,
  };
  spec?.(fields);
  const body = Buffer.from(json.canonicalize({ apiVersion: "0.0.1", kind: "intoto", spec: fields }));
  return log.log.force({
    body,
    indexKeys: [`sha256:${hex(NAME)}`],
    attestation: { key: `sha256:${hash}`, data: Buffer.from(payload) },
  });
}

function newLog(seconds = 2): SampleLog {
  const log = sampleLog();
  log.now = new Date(authority.time.getTime() + seconds * 1000);
  log.record(sighting({ reference: "docker.io/library/alpine:1", observedAt: authority.time }), sampleKey());
  return log;
}

function contextOf(log: SampleLog, ...trust: readonly Trust[]): RecordContext {
  return {
    subject: parseReference("alpine:3.16.0"),
    trust: trust.length > 0 ? trust : [counts],
    trustedRoot: rootWith(authority, log),
  };
}

test("tlogistry's entries are found by the tag's name with the old name of Docker Hub", () => {
  const hash = tlogistrySubjectHash(parseReference("alpine:3.16.0"));
  expect(hash).toMatch(/^sha256:580eec9c/);
  expect(hash).toBe(`sha256:${hex(NAME)}`);
  expect(tlogistrySubjectHash(parseReference("ghcr.io/acme/app:1"))).toBe(
    `sha256:${hex("ghcr.io/acme/app:1")}`,
  );
});

test("an entry of tlogistry counts when the policy says so, as weaker evidence", () => {
  const log = newLog();
  const entry = logLegacy(log);
  const { records, rejected } = readHistory([asEvidence(log.found(entry))], contextOf(log));
  expect(rejected).toEqual(new Map());
  expect(records).toEqual([
    {
      reference: "docker.io/library/alpine:3.16.0",
      digest: DIGEST,
      platforms: [],
      observedAt: log.now,
      uuid: entry.uuid,
      logIndex: BigInt(entry.logIndex),
      logId: log.log.logId.toString("hex"),
      logUrl: "https://rekor.example.org",
      loggedAt: log.now,
      signer,
      may: new Set(["record"]),
      strength: "tlogistry",
    },
  ]);
});

test("it stands among full records by log order", () => {
  const log = newLog();
  const legacy = logLegacy(log);
  const full = log.append(
    signEnvelope(sightingStatement(sighting({ observedAt: authority.time, digest: OTHER_DIGEST })), key),
  );
  const trust: Trust = { signer: key.signer, may: new Set(["record"]) };
  const history = readHistory(
    [full, legacy].map((entry) => asEvidence(log.found(entry))),
    contextOf(log, counts, trust),
  );
  expect(standing(history)?.record).toMatchObject({ strength: "tlogistry", digest: DIGEST });
});

describe("an entry of tlogistry does not count", () => {
  test.for<{ row: string; trust: () => Trust[]; code: string }>([
    {
      row: "when the policy does not say so of its identity",
      trust: () => [{ signer, may: new Set(["record"]) }],
      code: "weaker-evidence",
    },
    {
      row: "when its identity is not trusted",
      trust: () => [{ signer: key.signer, may: new Set(["record"]), tlogistry: true }],
      code: "weaker-evidence",
    },
  ])("$row", ({ trust, code }) => {
    const log = newLog();
    const history = readHistory([asEvidence(log.found(logLegacy(log)))], contextOf(log, ...trust()));
    expect(history).toMatchObject({ records: [], rejected: new Map([[code, 1]]) });
  });

  test.for<{
    row: string;
    legacy?: () => Legacy | Promise<Legacy>;
    seconds?: number;
    change?: (entry: AnsweredEntry) => unknown;
    code: string;
  }>([
    {
      row: "of another identity",
      legacy: async () => ({
        pem: (await certify(authority.issuing, { ...TLOGISTRY, identity: "eve@evil.example" })).pem,
      }),
      code: "weaker-evidence",
    },
    {
      row: "of another authority",
      legacy: async () => ({ pem: (await certify((await sampleAuthority()).issuing, TLOGISTRY)).pem }),
      code: "bad-certificate",
    },
    {
      row: "whose certificate is not in a certificate log",
      legacy: async () => ({ pem: (await certify(authority.unlogged, TLOGISTRY)).pem }),
      code: "bad-certificate",
    },
    { row: "whose certificate had expired", seconds: 700, code: "bad-certificate" },
    { row: "signed with a key", legacy: () => ({ pem: key.pem }), code: "weaker-evidence" },
    {
      row: "about another tag",
      legacy: () => ({
        payload: statement({ predicate: { digest: DIGEST, tag: NAME.replace("3.16.0", "3.17.0") } }),
      }),
      code: "wrong-subject",
    },
    {
      row: "with another subject",
      legacy: () => ({ payload: statement({ subject: [{ name: "x", digest: { sha256: hex("x") } }] }) }),
      code: "wrong-subject",
    },
    {
      row: "with another hash of its name",
      legacy: () => ({ payload: statement({ subject: [{ name: NAME, digest: { sha256: hex("x") } }] }) }),
      code: "malformed",
    },
    {
      row: "with two subjects",
      legacy: () => ({
        payload: statement({ subject: [1, 2].map(() => ({ name: NAME, digest: { sha256: hex(NAME) } })) }),
      }),
      code: "malformed",
    },
    {
      row: "with a digest that is none",
      legacy: () => ({ payload: statement({ predicate: { digest: "latest", tag: NAME } }) }),
      code: "malformed",
    },
    {
      row: "with another predicate type",
      legacy: () => ({ payload: statement({ predicateType: "cosign.sigstore.dev/attestation/v1" }) }),
      code: "not-a-sighting",
    },
    { row: "with a statement that is not JSON", legacy: () => ({ payload: "<html>" }), code: "malformed" },
    {
      row: "without a hash of its statement",
      legacy: () => ({ spec: ({ content }) => delete content["payloadHash"] }),
      code: "not-a-sighting",
    },
    { row: "with a key that is none", legacy: () => ({ pem: "noise" }), code: "malformed" },
    { row: "without its statement", change: (entry) => delete entry.attestation, code: "no-payload" },
    {
      row: "with the statement of another",
      change: (entry) =>
        (entry.attestation = { data: Buffer.from(statement({ predicate: {} })).toString("base64") }),
      code: "wrong-payload",
    },
    { row: "with another time", change: (entry) => (entry.integratedTime += 1), code: "not-in-log" },
    { row: "with another index", change: (entry) => (entry.logIndex += 1), code: "not-in-log" },
    {
      row: "with another proof",
      change: ({ verification }) => verification.inclusionProof.hashes.pop(),
      code: "not-in-log",
    },
    {
      row: "with another root",
      change: ({ verification }) => (verification.inclusionProof.rootHash = hex("x")),
      code: "not-in-log",
    },
    { row: "of an unknown log", change: (entry) => (entry.logID = hex("x")), code: "unknown-log" },
  ])("$row", async ({ legacy = () => ({}), seconds = 2, change, code }) => {
    const log = newLog(seconds);
    const { uuid, entry } = log.found(logLegacy(log, await legacy()));
    change?.(entry);
    const history = readHistory([asEvidence({ uuid, entry })], contextOf(log));
    expect(history).toMatchObject({ records: [], rejected: new Map([[code, 1]]) });
  });

  test("under another UUID, or when the policy does not name its log", () => {
    const log = newLog();
    const { uuid, entry } = log.found(logLegacy(log));
    const other = `${uuid.slice(0, 16)}${hex("x")}`;
    expect(readHistory([asEvidence({ uuid: other, entry })], contextOf(log)).rejected).toEqual(
      new Map([["wrong-uuid", 1]]),
    );
    const where = { ...contextOf(log), logs: [] };
    expect(readHistory([asEvidence({ uuid, entry })], where).rejected).toEqual(new Map([["unnamed-log", 1]]));
  });

  test("when others log the same statement in its name without proof", async () => {
    const log = newLog();
    const fake = await certify(authority.unlogged, TLOGISTRY);
    const { attestation: _, ...unshown } = log.found(logLegacy(log, { pem: fake.pem })).entry;
    const history = readHistory(
      [asEvidence({ uuid: log.log.entries.at(-1)?.uuid ?? "", entry: unshown })],
      contextOf(log),
    );
    expect(history.rejected).toEqual(new Map([["bad-certificate", 1]]));
  });
});

test("a sighting of the identity itself is a full record all the same", () => {
  const log = newLog();
  const entry = log.append(
    signCertified(sightingStatement(sighting({ observedAt: authority.time })), certified),
  );
  const { records } = readHistory([asEvidence(log.found(entry))], contextOf(log));
  expect(records).toMatchObject([{ strength: "full", signer }]);
});

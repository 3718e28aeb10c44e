// SPDX-License-Identifier: Apache-2.0
import { json, pem } from "@sigstore/core";
import { beforeAll, describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { RecordError } from "../../src/record/error.ts";
import { readHistory } from "../../src/record/history.ts";
import { parseIdentity, type TrustedIdentity } from "../../src/record/signer.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import type { TrustedRoot } from "../../src/trust/trusted-root.ts";
import type { RecordContext } from "../../src/record/record.ts";
import { proveEntry } from "./prove.ts";
import {
  certify,
  rootWith,
  sampleAuthority,
  signCertified,
  type CertifiedKey,
  type SampleAuthority,
} from "./sample-identity.ts";
import {
  type AnsweredEntry,
  asEvidence,
  DIGEST,
  jointRoot,
  OTHER_DIGEST,
  sampleKey,
  sampleLog,
  sighting,
  signEnvelope,
  type SampleEnvelope,
  type SampleLog,
  trusting,
} from "./sample-log.ts";

const CI = { issuer: "https://accounts.google.com", identity: "ci@acme.example" };
const WORKFLOW = {
  issuer: "https://token.actions.githubusercontent.com",
  identity: "https://github.com/acme/app/.github/workflows/build.yml@refs/heads/main",
};

const USER = { issuer: "https://issuer.acme.example", identity: "alice!acme.example" };

let authority: SampleAuthority;
let foreign: SampleAuthority;
let observedAt: Date;
let ci: CertifiedKey;
beforeAll(async () => {
  authority = await sampleAuthority();
  foreign = await sampleAuthority();
  observedAt = new Date(authority.time);
  ci = await certify(authority.issuing, CI);
});

const statement = (change: Parameters<typeof sighting>[0] = {}) =>
  sightingStatement(sighting({ observedAt, ...change }));
const subject = parseReference("alpine:3.16.0");
const context = (trustedRoot: TrustedRoot, ...signers: TrustedIdentity[]): RecordContext => ({
  subject,
  trust: trusting(...(signers.length > 0 ? signers : [WORKFLOW, CI, USER].map(parseIdentity))),
  trustedRoot,
});

/** A log with other people's entries around this one, whose clock shows seconds after the observation. */
function logged(
  envelope: SampleEnvelope,
  seconds = 2,
): { log: SampleLog; entry: ReturnType<SampleLog["found"]> } {
  const log = sampleLog();
  log.now = new Date(observedAt.getTime() + seconds * 1000);
  log.record(sighting({ reference: "docker.io/library/alpine:1" }), sampleKey());
  // The development log takes no chains; the real one does.
  const isChain = envelope.signatures.some((each) => each.pem.split("BEGIN").length > 2);
  const entry = isChain ? log.force(envelope) : log.append(envelope);
  log.record(sighting({ reference: "docker.io/library/alpine:2" }), sampleKey());
  return { log, entry: log.found(entry) };
}

function refusal(action: () => unknown): RecordError {
  try {
    action();
  } catch (error) {
    if (error instanceof RecordError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("a record signed with a certificate counts", () => {
  test.for([
    { row: "of an email address", who: CI },
    { row: "of a workflow", who: WORKFLOW },
    { row: "of a user", who: USER },
  ])("$row", async ({ who }) => {
    const { log, entry } = logged(signCertified(statement(), await certify(authority.issuing, who)));
    const record = proveEntry(entry, context(rootWith(authority, log)));
    expect(record).toMatchObject({ digest: DIGEST, signer: { kind: "identity", ...who } });
    expect(record.bundle?.verificationMaterial).toMatchObject({
      certificate: { rawBytes: expect.stringMatching(/^MII/) as unknown },
    });
  });

  test("with the chain above it, of which only the first certificate is looked at", async () => {
    const stranger = await certify(foreign.issuing, { ...CI, identity: "eve@evil.example" });
    const { log, entry } = logged(signCertified(statement(), { ...ci, pem: `${ci.pem}${stranger.pem}` }));
    const where = context(rootWith(authority, log));
    const { signer, bundle } = proveEntry(entry, where);
    expect(signer).toEqual(parseIdentity(CI));
    const [block = ""] = ci.pem.match(/(?<=-----BEGIN CERTIFICATE-----)[^-]+/) ?? [];
    expect(bundle?.verificationMaterial).toMatchObject({
      certificate: { rawBytes: block.replaceAll("\n", "") },
    });
  });
});

describe("what only seems to be of a trusted identity is refused", () => {
  test.for<{
    row: string;
    key: () => CertifiedKey | Promise<CertifiedKey>;
    seconds?: number;
    code: string;
    says: string;
  }>([
    {
      row: "a certificate of another authority",
      key: () => certify(foreign.issuing, CI),
      code: "bad-certificate",
      says: "no valid certificate path found",
    },
    {
      row: "a certificate without proof of being in a certificate log",
      key: () => certify(authority.unlogged, CI),
      code: "bad-certificate",
      says: "no proof of being in a certificate log",
    },
    {
      row: "a certificate that had expired when the entry was logged",
      key: () => ci,
      seconds: 601,
      code: "bad-certificate",
      says: "not valid or expired at the specified date",
    },
    {
      row: "a certificate that was not valid yet when the entry was logged",
      key: () => ci,
      seconds: -1,
      code: "bad-certificate",
      says: "Failed to verify certificate chain",
    },
    {
      row: "an identity with the trusted one at its end",
      key: () => certify(authority.issuing, { ...CI, identity: `eve-${CI.identity}` }),
      code: "untrusted-signer",
      says: "a certificate of eve-ci@acme.example (accounts.google.com), which is not trusted here",
    },
    {
      row: "an identity with the trusted one at its start",
      key: () => certify(authority.issuing, { ...CI, identity: `${CI.identity}.evil` }),
      code: "untrusted-signer",
      says: "ci@acme.example.evil",
    },
    {
      row: "an identity in which the trusted one would be a pattern",
      key: () => certify(authority.issuing, { ...CI, identity: "ci@acmeXexample" }),
      code: "untrusted-signer",
      says: "ci@acmeXexample",
    },
    {
      row: "an identity in other case",
      key: () => certify(authority.issuing, { ...CI, identity: "CI@acme.example" }),
      code: "untrusted-signer",
      says: "CI@acme.example",
    },
    {
      row: "an issuer that differs in one character",
      key: () => certify(authority.issuing, { ...CI, issuer: "https://accounts.goog1e.com" }),
      code: "untrusted-signer",
      says: "accounts.goog1e.com",
    },
    {
      row: "an issuer with a slash more",
      key: () => certify(authority.issuing, { ...CI, issuer: `${CI.issuer}/` }),
      code: "untrusted-signer",
      says: "accounts.google.com/",
    },
    {
      row: "the identity of one with the issuer of another",
      key: () => certify(authority.issuing, { ...CI, issuer: WORKFLOW.issuer }),
      code: "untrusted-signer",
      says: "not trusted here",
    },
    {
      row: "a chain that has the trusted certificate second",
      key: async () => {
        const eve = await certify(authority.issuing, { ...CI, identity: "eve@evil.example" });
        return { ...eve, pem: eve.pem + ci.pem };
      },
      code: "untrusted-signer",
      says: "eve@evil.example",
    },
  ])("$row", async ({ key, seconds = 2, code, says }) => {
    const { log, entry } = logged(signCertified(statement(), await key()), seconds);
    const where = context(rootWith(authority, log));
    const error = refusal(() => proveEntry(entry, where));
    expect(error.code).toBe(code);
    expect(`${error.message} ${String(error.cause)}`).toContain(says);
  });

  test.for<{ row: string; pem: (text: string) => string; code: string; says: string }>([
    {
      row: "another certificate of the same identity than the one that signed",
      pem: () => ci.pem,
      code: "bad-signature",
      says: "not signed by ci@acme.example (accounts.google.com)",
    },
    {
      row: "a certificate with another signature",
      pem: (text) => {
        const der = pem.toDER(text);
        der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
        return pem.fromDER(der);
      },
      code: "bad-certificate",
      says: "does not hold",
    },
    {
      row: "a certificate that is none",
      pem: () => pem.fromDER(Buffer.from("certificate")),
      code: "untrusted-signer",
      says: "does not name one identity",
    },
    {
      row: "a key after the certificate",
      pem: (text) => text + sampleKey().pem,
      code: "malformed",
      says: "not a chain of certificates",
    },
    {
      row: "a hundred certificates",
      pem: (text) => text.repeat(100),
      code: "malformed",
      says: "not a chain",
    },
    {
      row: "a request for a certificate",
      pem: (text) => text.replaceAll("CERTIFICATE", "CERTIFICATE REQUEST"),
      code: "untrusted-signer",
      says: "something else than a public key or a certificate",
    },
  ])("$row", async ({ pem: forge, code, says }) => {
    const signing = await certify(authority.issuing, CI);
    const envelope = signCertified(statement(), signing);
    const log = sampleLog();
    log.now = new Date(observedAt.getTime() + 2000);
    const forged = {
      ...envelope,
      signatures: envelope.signatures.map((each) => ({ ...each, pem: forge(each.pem) })),
    };
    const { uuid, entry } = log.found(log.force(forged));
    const error = refusal(() => proveEntry({ uuid, entry }, context(rootWith(authority, log))));
    expect(error.code).toBe(code);
    expect(error.message).toContain(says);
  });

  test.for<{ row: string; change: (entry: AnsweredEntry) => unknown; code: string }>([
    {
      row: "another time, with the certificate's",
      change: (entry) => (entry.integratedTime += 1),
      code: "not-in-log",
    },
    {
      row: "another time, without",
      change: (entry) => (entry.integratedTime += 700),
      code: "bad-certificate",
    },
    {
      row: "no hash in the proof",
      change: (entry) => entry.verification.inclusionProof.hashes.pop(),
      code: "not-in-log",
    },
    { row: "no statement", change: (entry) => delete entry.attestation, code: "no-payload" },
    {
      row: "a log that nobody knows",
      change: (entry) => (entry.logID = "ab".repeat(32)),
      code: "unknown-log",
    },
  ])("an answer with $row", ({ change, code }) => {
    const { log, entry } = logged(signCertified(statement(), ci));
    change(entry.entry);
    const where = context(rootWith(authority, log));
    expect(refusal(() => proveEntry(entry, where)).code).toBe(code);
  });

  test.for<{ row: string; root: (log: SampleLog) => TrustedRoot }>([
    { row: "no authority", root: (log) => jointRoot(log) },
    { row: "another authority", root: (log) => rootWith({ ...foreign, ctlog: authority.ctlog }, log) },
    { row: "another certificate log", root: (log) => rootWith({ ...authority, ctlog: foreign.ctlog }, log) },
  ])("when the trusted root has $row", ({ root }) => {
    const { log, entry } = logged(signCertified(statement(), ci));
    const error = refusal(() => proveEntry(entry, context(root(log))));
    expect(error.code).toBe("bad-certificate");
  });

  test("by who trusts keys alone", () => {
    const { log, entry } = logged(signCertified(statement(), ci));
    const where = { ...context(rootWith(authority, log)), trust: trusting(sampleKey().signer) };
    expect(refusal(() => proveEntry(entry, where)).code).toBe("untrusted-signer");
  });

  test("when the certificate's own key is logged instead of it", () => {
    const { log, entry } = logged(signEnvelope(statement(), sampleKey()));
    const where = context(rootWith(authority, log));
    expect(refusal(() => proveEntry(entry, where)).code).toBe("untrusted-signer");
  });
});

describe("the history of a tag", () => {
  test("stands on the earliest proven record, whatever strangers logged before in the same name", async () => {
    const log = sampleLog();
    log.now = new Date(observedAt.getTime() + 2000);
    const envelope = signCertified(statement(), ci);
    const fakes = await Promise.all([certify(foreign.issuing, CI), certify(authority.unlogged, CI)]);
    const entries = [
      ...fakes.map((fake) => log.append(signCertified(statement(), fake))),
      ...fakes.map((fake) => log.append(signCertified(statement({ digest: OTHER_DIGEST }), fake))),
      log.append(envelope),
      log.append(envelope, "again"),
      log.append(signCertified(statement(), await certify(authority.issuing, CI))),
    ].map((entry) => log.found(entry));
    const history = readHistory(entries.map(asEvidence), context(rootWith(authority, log)));
    expect(history.records.map(({ uuid, digest }) => [uuid, digest])).toEqual([[entries[4]?.uuid, DIGEST]]);
    expect(history.rejected).toEqual(new Map([["bad-certificate", 4]]));
  });

  test("has no record without payload for what strangers logged in somebody's name and the log does not keep", async () => {
    const log = sampleLog();
    log.now = new Date(observedAt.getTime() + 2000);
    const large = Buffer.from(
      json.canonicalize({
        ...(JSON.parse(Buffer.from(statement()).toString()) as object),
        note: "x".repeat(150_000),
      }),
    );
    const unshown = (key: CertifiedKey) => log.found(log.append(signCertified(large, key)));
    const fakes = [
      unshown(await certify(foreign.issuing, CI)),
      unshown(await certify(authority.unlogged, CI)),
    ];
    expect(fakes.map(({ entry }) => entry.attestation)).toEqual([undefined, undefined]);
    const otherwise = fakes.map(({ uuid, entry }) => ({
      uuid,
      entry: { ...entry, attestation: { data: Buffer.from("{}").toString("base64") } },
    }));
    const misplaced = fakes.map(({ entry }) => ({ uuid: "ab".repeat(32), entry }));
    const elsewhere = fakes.map(({ uuid, entry }) => ({ uuid, entry: { ...entry, logID: "ab".repeat(32) } }));
    const rejected = (entries: readonly { uuid: string; entry: unknown }[]) =>
      readHistory(entries.map(asEvidence), context(rootWith(authority, log))).rejected;
    expect(rejected([...fakes, ...elsewhere, ...otherwise, ...misplaced])).toEqual(
      new Map([["bad-certificate", 8]]),
    );
    expect(rejected([unshown(ci)])).toEqual(new Map([["no-payload", 1]]));
  });
});

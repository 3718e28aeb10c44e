// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, test } from "vitest";
import { countingOf } from "../../../src/check/counting.ts";
import { sieveOf } from "../../../src/courier/server/sieve.ts";
import { TOO_LARGE } from "../../../src/log/rekor-v1.ts";
import { parseReference } from "../../../src/image/reference.ts";
import { readHistory } from "../../../src/record/history.ts";
import { parseIdentity, parseIdentityPattern, type Trust } from "../../../src/record/signer.ts";
import { sightingStatement } from "../../../src/record/statement.ts";
import type { TrustedRoot } from "../../../src/trust/trusted-root.ts";
import {
  certify,
  rootWith,
  type SampleAuthority,
  sampleAuthority,
  signCertified,
} from "../../record/sample-identity.ts";
import {
  ALPINE,
  type AnsweredEntry,
  asEvidence,
  sampleKey,
  sampleLog,
  sighting,
  signEnvelope,
  trusting,
} from "../../record/sample-log.ts";

const ISSUER = "https://accounts.google.com";
const CI = parseIdentity({ issuer: ISSUER, identity: "ci@acme.example" });
const ANY = parseIdentityPattern({ issuer: ISSUER, pattern: "*@acme.*" });
const key = sampleKey();
const log = sampleLog();
let authority: SampleAuthority;
let selfMade: SampleAuthority;
let root: TrustedRoot;
beforeAll(async () => {
  [authority, selfMade] = await Promise.all([sampleAuthority(), sampleAuthority()]);
  root = rootWith(authority, log);
  log.now = authority.time;
});

type Found = { readonly uuid: string; readonly entry: AnsweredEntry };

const statement = () => sightingStatement(sighting({ observedAt: log.now }));
const byKey = (by = key): Found => log.found(log.append(signEnvelope(statement(), by)));
async function byIdentity(who: { issuer: string; identity: string }, by = authority): Promise<Found> {
  return log.found(log.append(signCertified(statement(), await certify(by.issuing, who))));
}

/** Why the sieve drops an entry, and what the deciding side makes of the same one: a record, or why it is none. */
function told(found: Found, trust: readonly Trust[]): { dropped: string; judged: string } {
  const counting = countingOf(trust, root);
  if (counting === undefined) throw new Error("there are too many signers");
  const subject = parseReference(ALPINE);
  const history = readHistory([asEvidence(found)], { subject, trust, trustedRoot: root });
  return {
    dropped: sieveOf(counting)(found) ?? "passed",
    judged: history.records.length > 0 ? "record" : ([...history.rejected.keys()][0] ?? "nothing"),
  };
}

describe("what may count is passed on", () => {
  test.for<{ row: string; entry: () => Promise<Found>; trust: readonly Trust[] }>([
    { row: "of a trusted key", entry: async () => byKey(), trust: trusting(CI, key.signer) },
    { row: "of a trusted identity", entry: () => byIdentity(CI), trust: trusting(key.signer, CI) },
    { row: "of an identity that fits a pattern", entry: () => byIdentity(CI), trust: trusting(ANY) },
  ])("$row", async ({ entry, trust }) => {
    expect(told(await entry(), trust)).toEqual({ dropped: "passed", judged: "record" });
  });
});

describe("what cannot count is dropped, for the reason that the deciding side has as well", () => {
  const all = trusting(CI, ANY, key.signer);
  test.for<{ row: string; entry: () => Promise<Found>; reason: string }>([
    { row: "another key", entry: async () => byKey(sampleKey()), reason: "untrusted-signer" },
    {
      row: "another identity",
      entry: () => byIdentity({ issuer: ISSUER, identity: "eve@evil.example" }),
      reason: "untrusted-signer",
    },
    {
      row: "another issuer's word",
      entry: () => byIdentity({ issuer: "https://evil.example", identity: CI.identity }),
      reason: "untrusted-signer",
    },
    {
      row: "a self-made certificate that names a trusted identity",
      entry: () => byIdentity(CI, selfMade),
      reason: "bad-certificate",
    },
    {
      row: "a copy that was logged again a day later",
      entry: async () => {
        const envelope = signEnvelope(statement(), key);
        const { now } = log;
        log.now = new Date(now.getTime() + 24 * 60 * 60 * 1000);
        const found = log.found(log.append(envelope));
        log.now = now;
        return found;
      },
      reason: "replayed",
    },
    {
      row: "a body that is nothing",
      entry: async () => {
        const found = byKey();
        return { ...found, entry: { ...found.entry, body: "AAAA" } };
      },
      reason: "malformed",
    },
    {
      row: "an entry of another kind",
      entry: async () => {
        const found = byKey();
        const body = Buffer.from('{"kind":"rekord","apiVersion":"0.0.1","spec":{}}').toString("base64");
        return { ...found, entry: { ...found.entry, body } };
      },
      reason: "not-a-sighting",
    },
  ])("$row: $reason", async ({ entry, reason }) => {
    expect(told(await entry(), all)).toEqual({ dropped: reason, judged: reason });
  });

  test("an entry that is larger than any record", () => {
    const counting = countingOf(all, root);
    expect(counting && sieveOf(counting)({ uuid: "ab".repeat(32), entry: TOO_LARGE })).toBe("malformed");
  });

  test("an entry that the log does not give is not dropped: nobody knows whose it is", () => {
    const counting = countingOf(all, root);
    expect(counting && sieveOf(counting)({ uuid: "ab".repeat(32), entry: null })).toBeUndefined();
  });
});

test("of too many signers everything is brought", () => {
  const many = Array.from({ length: 65 }, (_, n) =>
    parseIdentity({ issuer: ISSUER, identity: `${n}@acme.example` }),
  );
  expect(countingOf(trusting(...many), root)).toBeUndefined();
});

// SPDX-License-Identifier: Apache-2.0
import { pem } from "@sigstore/core";
import { describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { LogEntryError } from "../../src/log/entry.ts";
import { RecordError } from "../../src/record/error.ts";
import { parseIdentity } from "../../src/record/signer.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import type { TagRecord, RecordContext } from "../../src/record/record.ts";
import { proveEntry } from "./prove.ts";
import { mutate, mutateBytes, mutateText, seeded } from "./mutations.ts";
import { certify, type CertifiedKey, rootWith, sampleAuthority, signCertified } from "./sample-identity.ts";
import {
  ALPINE,
  sampleKey,
  sampleLog,
  type SampleLog,
  sighting,
  signEnvelope,
  trusting,
} from "./sample-log.ts";

const key = sampleKey();
const envelope = signEnvelope(sightingStatement(sighting()), key);

const context: RecordContext = {
  subject: parseReference("alpine:3.16.0"),
  trust: trusting(key.signer),
  trustedRoot: sampleLog().trustedRoot,
};

function verify({ uuid, entry }: { uuid: string; entry: unknown }, where: RecordContext): TagRecord {
  return proveEntry({ uuid, entry }, where);
}

/** A log and who trusts the identity whose key this is. */
async function identityLog(): Promise<{
  log: SampleLog;
  where: RecordContext;
  certified: CertifiedKey;
  statement: Uint8Array;
}> {
  const authority = await sampleAuthority();
  const who = { issuer: "https://accounts.google.com", identity: "ci@acme.example" };
  const log = sampleLog();
  log.now = new Date(authority.time.getTime() + 2000);
  return {
    log,
    where: { ...context, trust: trusting(parseIdentity(who)), trustedRoot: rootWith(authority, log) },
    certified: await certify(authority.issuing, who),
    statement: sightingStatement(sighting({ observedAt: authority.time })),
  };
}

describe("whatever a log took in, it is refused or says the same", () => {
  test.for([9, 10])("in 250 mutated certificates that a log took in, from seed %i", async (seed) => {
    const random = seeded(seed);
    const { log, where, certified, statement } = await identityLog();
    const { signatures, ...rest } = signCertified(statement, certified);
    const der = pem.toDER(certified.pem).toString("base64");
    const mutations = new Set(Array.from({ length: 250 }, () => mutateBytes(der, random)[0]));
    const codes = new Set<string>();
    for (const mutation of mutations) {
      const certificate = pem.fromDER(Buffer.from(mutation, "base64"));
      const forged = signatures.map((each) => ({ ...each, pem: certificate }));
      try {
        // What is around the signed part of a certificate may differ: it names the same identity and key.
        const { digest, signer } = verify(log.found(log.force({ ...rest, signatures: forged })), where);
        expect([digest, signer]).toEqual([sighting().digest, where.trust[0]?.signer]);
      } catch (error) {
        if (!(error instanceof RecordError)) throw error;
        codes.add(error.code);
      }
    }
    // None that could make a tag unknown: everybody can log such certificates.
    expect([...codes].toSorted()).toEqual(["bad-certificate", "untrusted-signer"]);
  });

  test.for([5, 6])("in 150 mutated statements signed by the trusted key, from seed %i", (seed) => {
    const random = seeded(seed);
    const text = new TextDecoder().decode(envelope.payload);
    const log = sampleLog();
    const where = { ...context, trustedRoot: log.trustedRoot };
    for (let round = 0; round < 150; round++) {
      const payload =
        random(2) === 0 ? mutateText(text, random)[0] : JSON.stringify(mutate(JSON.parse(text), random)[0]);
      const { uuid, entry } = log.found(log.force(signEnvelope(Buffer.from(payload), key)));
      try {
        const record = proveEntry({ uuid, entry }, where);
        expect(record.reference).toBe(ALPINE);
      } catch (error) {
        if (!(error instanceof RecordError || error instanceof LogEntryError)) throw error;
      }
    }
  });
});

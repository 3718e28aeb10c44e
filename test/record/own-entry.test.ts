// SPDX-License-Identifier: Apache-2.0
import type { Evidence } from "../../src/record/record.ts";
import { beforeAll, describe, expect, test } from "vitest";
import { writtenBy } from "../../src/record/candidate.ts";
import { parseIdentity } from "../../src/record/signer.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import { certify, type SampleAuthority, sampleAuthority, signCertified } from "./sample-identity.ts";
import { asEvidence, OTHER_DIGEST, sampleKey, sampleLog, sighting, signEnvelope } from "./sample-log.ts";
import { sampleLogV2 } from "./sample-log-v2.ts";

const CI = { issuer: "https://accounts.google.com", identity: "ci@acme.example" };
const key = sampleKey();
const statement = sightingStatement(sighting());
const other = sightingStatement(sighting({ digest: OTHER_DIGEST }));
let authority: SampleAuthority;
beforeAll(async () => {
  authority = await sampleAuthority();
});

const sign = async (payload: Uint8Array) => signCertified(payload, await certify(authority.issuing, CI));

async function asEntry(payload: Uint8Array): Promise<Evidence> {
  const log = sampleLog();
  return asEvidence(log.found(log.append(await sign(payload))));
}

async function asBundle(payload: Uint8Array): Promise<Evidence> {
  const log = await sampleLogV2();
  return { kind: "bundle", bundle: await log.bundle(await sign(payload)), place: "the answer" };
}

describe("who signed a statement is read from its certificate", () => {
  test.for([
    { row: "in an entry of Rekor v1", make: asEntry },
    { row: "in a bundle of Rekor v2", make: asBundle },
  ])("$row, among others", async ({ make }) => {
    const bad: Evidence[] = [
      { kind: "entry", uuid: "x", entry: null },
      { kind: "bundle", bundle: null, place: "x" },
    ];
    expect(writtenBy([...bad, await make(other), await make(statement)], statement)).toEqual(
      parseIdentity(CI),
    );
    expect(writtenBy([...bad, await make(other)], statement)).toBeUndefined();
  });

  test("and not when a key signed it", async () => {
    const [log, v2] = [sampleLog(), await sampleLogV2()];
    const envelope = signEnvelope(statement, key);
    const evidence: Evidence[] = [
      asEvidence(log.found(log.append(envelope))),
      { kind: "bundle", bundle: await v2.bundle(envelope), place: "x" },
    ];
    expect(writtenBy(evidence, statement)).toBeUndefined();
  });
});

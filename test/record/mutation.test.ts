// SPDX-License-Identifier: Apache-2.0
import { pem } from "@sigstore/core";
import { describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { LogEntryError, parseLogEntry } from "../../src/log/entry.ts";
import { RecordError } from "../../src/record/error.ts";
import { parseIdentity } from "../../src/record/signer.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import { type Record, type RecordContext, verifyRecord } from "../../src/record/verification.ts";
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
const sample = sampleLog();
sample.record(sighting({ reference: `${ALPINE}-1` }), key);
const envelope = signEnvelope(sightingStatement(sighting()), key);
const logged = sample.append(envelope);
sample.record(sighting({ reference: `${ALPINE}-2` }), key);

const context: RecordContext = {
  subject: parseReference("alpine:3.16.0"),
  trust: trusting(key.signer),
  trustedRoot: sample.trustedRoot,
};

function verify({ uuid, entry }: { uuid: string; entry: unknown }, where = context): Record {
  return verifyRecord(parseLogEntry(uuid, entry), where);
}

/** Numbers that look random and are the same in every run (mulberry32). */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

type Below = (below: number) => number;

const ODD: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1.5,
  2 ** 53,
  "",
  "\u0000",
  "é",
  [],
  {},
  [[]],
  { __proto__: null },
];

function mutateText(text: string, random: Below): string {
  const at = random(text.length + 1);
  switch (random(4)) {
    case 0:
      return text.slice(0, at) + text.slice(at + 1);
    case 1:
      return text.slice(0, at) + String.fromCharCode(random(128)) + text.slice(at);
    case 2:
      return text.slice(0, at);
    default:
      return text.slice(0, at) + String.fromCharCode(32 + random(96)) + text.slice(at + 1);
  }
}

/** Flips one bit of what the base64 says. */
function mutateBytes(base64: string, random: Below): string {
  const bytes = Buffer.from(base64, "base64");
  const at = random(Math.max(bytes.length, 1));
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
  return bytes.toString("base64");
}

/** Changes one thing somewhere in a JSON value. */
function mutate(value: unknown, random: Below): unknown {
  if (typeof value === "object" && value !== null && Object.keys(value).length > 0 && random(12) > 0) {
    const keys = Object.keys(value);
    const chosen = keys[random(keys.length)] ?? "";
    const copied = (Array.isArray(value) ? [...value] : { ...value }) as { [field: string]: unknown };
    if (random(20) === 0) delete copied[chosen];
    else copied[chosen] = mutate(copied[chosen], random);
    return copied;
  }
  if (random(5) === 0) return ODD[random(ODD.length)];
  if (typeof value === "number") return value + random(5) - 2;
  if (typeof value === "string")
    return random(2) === 0 ? mutateBytes(value, random) : mutateText(value, random);
  return ODD[random(ODD.length)];
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

describe("whatever happens to an answer, it is refused or says the same", () => {
  test.for([1, 2, 3, 4])("in 250 mutations from seed %i", (seed) => {
    const random = seeded(seed);
    const good = sample.found(logged);
    const { bundle: _, ...facts } = verify(good);
    let refused = 0;
    for (let round = 0; round < 250; round++) {
      const mutated = { uuid: good.uuid, entry: mutate(good.entry, random) };
      try {
        // What nobody signed, such as white space after a checkpoint's signature, may differ in the bundle.
        const { bundle: __, ...found } = verify(mutated);
        expect(found, JSON.stringify(mutated.entry)).toEqual(facts);
      } catch (error) {
        if (!(error instanceof RecordError || error instanceof LogEntryError)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(200);
  });

  test.for([7, 8])("in 250 mutations of an entry with a certificate, from seed %i", async (seed) => {
    const random = seeded(seed);
    const { log, where, certified, statement } = await identityLog();
    const good = log.found(log.append(signCertified(statement, certified)));
    const { bundle: _, ...facts } = verify(good, where);
    let refused = 0;
    for (let round = 0; round < 250; round++) {
      const mutated = { uuid: good.uuid, entry: mutate(good.entry, random) };
      try {
        const { bundle: __, ...found } = verify(mutated, where);
        expect(found, JSON.stringify(mutated.entry)).toEqual(facts);
      } catch (error) {
        if (!(error instanceof RecordError || error instanceof LogEntryError)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(200);
  });

  test.for([9, 10])("in 250 mutated certificates that a log took in, from seed %i", async (seed) => {
    const random = seeded(seed);
    const { log, where, certified, statement } = await identityLog();
    const { signatures, ...rest } = signCertified(statement, certified);
    const der = pem.toDER(certified.pem).toString("base64");
    const mutations = new Set(Array.from({ length: 250 }, () => mutateBytes(der, random)));
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
        random(2) === 0 ? mutateText(text, random) : JSON.stringify(mutate(JSON.parse(text), random));
      const { uuid, entry } = log.found(log.force(signEnvelope(Buffer.from(payload), key)));
      try {
        const record = verifyRecord(parseLogEntry(uuid, entry), where);
        expect(record.reference).toBe(ALPINE);
      } catch (error) {
        if (!(error instanceof RecordError || error instanceof LogEntryError)) throw error;
      }
    }
  });
});

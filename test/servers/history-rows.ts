// SPDX-License-Identifier: Apache-2.0
import { json } from "@sigstore/core";
import { type RawEntry, sameLeaf } from "../../src/log/rekor-v1.ts";
import type { History } from "../../src/record/history.ts";
import type { Evidence } from "../../src/record/record.ts";
import { asEvidence, sampleKey } from "../record/sample-log.ts";
import { newSigningKey, proposeDsse, proposeIntoto, statementAbout } from "../sigstore/signed-statement.ts";
import type { Row, Section } from "./conformance-row.ts";
import { post, recorded, type Recorded } from "./recorded-sample.ts";
import {
  find,
  historyFrom,
  historyOf,
  newSample,
  record,
  recordV2,
  type Sample,
  type SignatureKept,
} from "./sample-sighting.ts";
import type { Target } from "./target.ts";

/** Reads the history of the sample out of what the log has: how many records, and what was refused. */
async function history(target: Target, sample: Sample, atLeast: number): Promise<string> {
  return summary(historyOf(target, sample, await settledEntries(target, sample, atLeast)));
}

function summary({ records, rejected }: History): string {
  const reasons = [...rejected].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const refused = reasons.map(([code, count]) => `${count} ${code}`).join(", ");
  return `${records.length} recorded${refused === "" ? "" : `; refused: ${refused}`}`;
}

/** Waits until the index names so many entries. */
async function settledEntries(target: Target, sample: Sample, atLeast: number): Promise<RawEntry[]> {
  const end = performance.now() + 5_000;
  for (;;) {
    const entries = await find(target, sample);
    if (entries.length >= atLeast || performance.now() > end) return entries;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Our own envelope as anybody can log it again: under another content hash. */
async function logCopy(target: Target, { sample, entry }: Recorded, salt: string): Promise<string> {
  const body = JSON.parse(Buffer.from(entry.body, "base64").toString()) as {
    spec: { content: { envelope: Record<string, unknown>; hash: { value: string } } };
  };
  const payload = Buffer.from(sample.statement).toString("base64");
  body.spec.content.envelope["payload"] = Buffer.from(payload).toString("base64");
  body.spec.content.hash.value = salt.repeat(64);
  return post(target, body);
}

const histories: Row[] = [
  {
    says: "Twelve records of one tag, more than a log gives at once",
    ours: {
      expected: "12 recorded",
      async look(target) {
        const key = sampleKey();
        const sample = newSample(key);
        for (let second = 0; second < 12; second += 1) {
          const statement = JSON.parse(Buffer.from(sample.statement).toString()) as {
            predicate: { observedAt: string };
          };
          const observed = new Date(new Date(statement.predicate.observedAt).getTime() + second * 1000);
          statement.predicate.observedAt = `${observed.toISOString().slice(0, 19)}Z`;
          await record(target, { ...sample, statement: Buffer.from(json.canonicalize(statement)) });
        }
        return history(target, sample, 12);
      },
    },
  },
  {
    says: "An entry just written is brought with its statement",
    ours: {
      expected: "brought",
      async look(target) {
        const sample = newSample();
        const uuid = await record(target, sample);
        const entries = await find(target, sample, uuid);
        const { records } = historyOf(target, sample, entries);
        return records.length === 1 && records[0]?.uuid === uuid ? "brought" : "not brought";
      },
    },
  },
  {
    says: "An entry that the log does not have is told from one that it has",
    ours: {
      expected: "not there",
      async look(target) {
        const [one] = await find(target, newSample(), "ab".repeat(32));
        return one?.entry === null ? "not there" : "something";
      },
    },
  },
  {
    says: "The same signed statement recorded again",
    ours: {
      expected: "the UUID there is; 1 recorded",
      async look(target) {
        const sample = newSample();
        const kept: SignatureKept = {};
        const first = await record(target, sample, kept);
        const second = await record(target, sample, kept);
        const uuid = first === second ? "the UUID there is" : "another UUID";
        return `${uuid}; ${await history(target, sample, 1)}`;
      },
    },
  },
  {
    says: "Our envelope logged again by somebody",
    ours: {
      expected: "1 recorded, the earliest",
      async look(target) {
        const made = await recorded(target);
        const copies = [await logCopy(target, made, "1"), await logCopy(target, made, "2")];
        const entries = await settledEntries(target, made.sample, 1 + copies.length);
        const { records } = historyOf(target, made.sample, entries.toReversed());
        const [first] = records;
        const which =
          first?.uuid !== undefined && sameLeaf(first.uuid, made.uuid) ? "the earliest" : "a copy";
        return `${records.length} recorded of ${entries.length}, ${which}`.replace(" of 3", "");
      },
    },
  },
  {
    says: "Junk under the same tag",
    ours: {
      expected: "1 recorded; refused: 1 malformed, 1 no-payload, 2 not-a-sighting, 1 untrusted-signer",
      async look(target) {
        const { sample } = await recorded(target);
        const stranger = newSigningKey();
        // A stranger's sighting, another predicate, an entry of another kind, no canonical JSON, too large to be stored.
        await record(target, { ...newSample(), statement: sample.statement });
        const about = { statement: statementAbout(sample.name), by: sample.key.privateKey };
        await post(target, proposeIntoto(about.statement, about.by));
        await post(target, proposeDsse(about.statement, stranger));
        const statement = Buffer.from(sample.statement).toString();
        await post(target, proposeIntoto(Buffer.from(`${statement}\n`), about.by));
        const large = statement.replace('"predicate":{', `"predicate":{"a":"${"x".repeat(105_000)}",`);
        await post(target, proposeIntoto(Buffer.from(large), about.by));
        return history(target, sample, 6);
      },
    },
  },
  {
    says: "One statement signed and recorded twice",
    v2: {
      ours: {
        expected: "1 recorded, the earlier",
        async look(target) {
          const sample = newSample();
          const first = await recordV2(target, sample);
          const second = await recordV2(target, sample);
          const { records } = historyFrom(target, sample, [bundleEvidence(second), bundleEvidence(first)]);
          const earlier = JSON.stringify(records[0]?.bundle?.dsseEnvelope) === envelopeOf(first);
          return `${records.length} recorded, the ${earlier ? "earlier" : "later"}`;
        },
      },
    },
  },
  {
    says: "One statement recorded in both logs",
    v2: {
      ours: {
        expected: "1 recorded",
        async look(target) {
          const { sample, uuid, entry } = await recorded(target);
          const evidence = [asEvidence({ uuid, entry }), bundleEvidence(await recordV2(target, sample))];
          return `${historyFrom(target, sample, evidence).records.length} recorded`;
        },
      },
    },
  },
  {
    says: "Junk in bundles",
    v2: {
      ours: {
        expected: "1 recorded; refused: 2 malformed, 1 untrusted-signer, 1 wrong-subject",
        async look(target) {
          const sample = newSample();
          const stranger = { ...newSample(), statement: sample.statement };
          const bundles = [
            await recordV2(target, sample),
            await recordV2(target, stranger),
            await recordV2(target, { ...sample, statement: newSample().statement }),
            { ...(await recordV2(target, sample)), more: 1 },
            {},
          ];
          return summary(historyFrom(target, sample, bundles.map(bundleEvidence)));
        },
      },
    },
  },
];

function bundleEvidence(bundle: unknown): Evidence {
  return { kind: "bundle", bundle, place: "the test" };
}

function envelopeOf(bundle: object): string {
  return JSON.stringify("dsseEnvelope" in bundle ? bundle.dsseEnvelope : undefined);
}

/** What becomes of several entries of one tag. */
export const readingHistories: Section = { title: "Histories", rows: histories };

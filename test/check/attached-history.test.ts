// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { attachedHistory } from "../../src/check/brought-records.ts";
import { standing } from "../../src/record/history.ts";
import type { RecordContext } from "../../src/record/record.ts";
import { intotoBundle, type SampleBundle } from "../record/sample-bundle.ts";
import {
  ALPINE,
  DIGEST,
  jointRoot,
  OTHER_DIGEST,
  sampleKey,
  sampleLog,
  sighting,
  signEnvelope,
  trusting,
} from "../record/sample-log.ts";
import { sightingStatement, type Sighting } from "../../src/record/statement.ts";
import { sampleLogV2, type SampleLogV2 } from "../record/sample-log-v2.ts";

const key = sampleKey();
const stranger = sampleKey();
const log = sampleLog("v1.example.org");
let v2: SampleLogV2;
let context: RecordContext;

beforeAll(async () => {
  v2 = await sampleLogV2();
  log.now = new Date(v2.start.getTime() + 2000);
  context = {
    subject: parseReference(ALPINE),
    trust: trusting(key.signer),
    trustedRoot: jointRoot(log, v2),
  };
});

/** The bundle of a sighting in the Rekor v1 log. */
function inV1(change: Partial<Sighting> = {}, by = key): SampleBundle {
  const what = sighting({ observedAt: v2.start, ...change });
  return intotoBundle(log, signEnvelope(sightingStatement(what), by));
}

const read = (bundles: readonly unknown[]) => attachedHistory(bundles, context, "the evidence");

describe("the bundles that an image carries prove the history of a tag", () => {
  test("of Rekor v1 and v2, whatever their order", async () => {
    const later = {
      digest: OTHER_DIGEST,
      supersedes: DIGEST,
      observedAt: new Date(v2.start.getTime() + 5000),
    };
    v2.now = new Date(later.observedAt.getTime() + 1000);
    const bundles = [await v2.record(later, key), inV1()];
    const history = read(bundles);
    expect(history.records.map(({ digest }) => digest)).toEqual([DIGEST, OTHER_DIGEST]);
    expect(standing(history)?.record.digest).toBe(OTHER_DIGEST);
  });

  test("each sighting once, however often it is carried", () => {
    const bundle = inV1();
    expect(read([bundle, structuredClone(bundle)]).records).toHaveLength(1);
  });

  test("but not by whom nobody trusts, and not in a log that does not count", () => {
    const { records, rejected } = read([inV1({}, stranger)]);
    expect(records).toEqual([]);
    expect([...rejected]).toEqual([["untrusted-signer", 1]]);
    const counted = { ...context, logs: ["https://another.example.org"] };
    expect([...attachedHistory([inV1()], counted, "it").rejected]).toEqual([["unnamed-log", 1]]);
  });

  test("and none at all is an empty one", () => {
    expect(read([]).records).toEqual([]);
  });
});

describe("evidence is refused whole", () => {
  test.for<{ row: string; bundle: () => unknown; reason: string; says: string }>([
    {
      row: "with a bundle about another tag",
      bundle: () => inV1({ reference: "docker.io/library/busybox:1.36" }),
      reason: "wrong-subject",
      says: "it is about another tag",
    },
    { row: "with a bundle that is none", bundle: () => 7, reason: "malformed", says: "(malformed)" },
    {
      row: "with a bundle that has more in it than a proof",
      bundle: () => ({ ...inV1(), note: "more" }),
      reason: "malformed",
      says: "(malformed)",
    },
    {
      row: "with a bundle whose place in the log was changed",
      bundle: () => {
        const bundle = inV1();
        const [entry] = bundle.verificationMaterial.tlogEntries;
        entry.inclusionProof.rootHash = Buffer.alloc(32).toString("base64");
        return bundle;
      },
      reason: "not-in-log",
      says: "it does not prove a record (not-in-log)",
    },
    {
      row: "with a bundle of a log that nobody knows",
      bundle: () => {
        const other = sampleLog("other.example.org");
        other.now = log.now;
        const envelope = signEnvelope(sightingStatement(sighting({ observedAt: v2.start })), key);
        return intotoBundle(other, envelope);
      },
      reason: "unknown-log",
      says: "(unknown-log)",
    },
  ])("$row", ({ bundle, reason, says }) => {
    const reading = () => read([inV1(), bundle()]);
    expect(reading).toThrow(expect.objectContaining({ name: "EvidenceError", code: "unproven", reason }));
    expect(reading).toThrow(`read the evidence, bundle 2 of "${ALPINE}": `);
    expect(reading).toThrow(says);
  });
});

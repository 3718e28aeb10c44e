// SPDX-License-Identifier: Apache-2.0
import { bundleFromJSON } from "@sigstore/bundle";
import { toSignedEntity, Verifier } from "@sigstore/verify";
import { beforeAll, describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { leafHash, LogEntryError } from "../../src/log/entry.ts";
import { RecordError } from "../../src/record/error.ts";
import { parseIdentity } from "../../src/record/signer.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import type { TagRecord, RecordContext } from "../../src/record/record.ts";
import { proveBundle, proveEntry } from "./prove.ts";
import { type Below, MUTATIONS, mutate, type Mutation, seeded } from "./mutations.ts";
import { dsseBundle, intotoBundle } from "./sample-bundle.ts";
import { certify, rootWith, sampleAuthority, signCertified } from "./sample-identity.ts";
import {
  type AnsweredEntry,
  OTHER_DIGEST,
  sampleKey,
  sampleLog,
  type SampleEnvelope,
  sighting,
  signEnvelope,
  trusting,
} from "./sample-log.ts";
import { sampleLogV2 } from "./sample-log-v2.ts";

const CI = { issuer: "https://accounts.google.com", identity: "ci@acme.example" };
/** A good one takes some milliseconds. */
const MAX_MS = 5000;
const ROUNDS = 1000;

type Sample = "key" | "certificate";
type Form = "entry" | "intoto 0.0.2" | "dsse 0.0.1" | "hashedrekord 0.0.2";

const key = sampleKey();
let context: RecordContext;
/** A good one, and another good one of the same signer about another digest. */
const samples = new Map<`${Form} by ${Sample}`, readonly [good: unknown, other: unknown]>();

beforeAll(async () => {
  const [authority, v2, v1] = [await sampleAuthority(), await sampleLogV2(), sampleLog()];
  v1.now = new Date(v2.start.getTime() + 2000);
  context = {
    subject: parseReference("alpine:3.16.0"),
    trust: trusting(key.signer, parseIdentity(CI)),
    trustedRoot: rootWith(authority, v1, v2),
  };
  const statement = sightingStatement(sighting({ observedAt: v2.start }));
  const another = sightingStatement(sighting({ observedAt: v2.start, digest: OTHER_DIGEST }));
  const [one, two] = [await certify(authority.issuing, CI), await certify(authority.issuing, CI)];
  const signed: { [sample in Sample]: readonly [SampleEnvelope, SampleEnvelope] } = {
    key: [signEnvelope(statement, key), signEnvelope(another, key)],
    certificate: [signCertified(statement, one), signCertified(another, two)],
  };
  for (const sample of ["key", "certificate"] as const) {
    const [good, other] = signed[sample];
    const entries = [v1.append(good), v1.append(other)].map((entry) => v1.found(entry).entry);
    samples.set(`entry by ${sample}`, [entries[0], entries[1]]);
    samples.set(`intoto 0.0.2 by ${sample}`, [intotoBundle(v1, good, "b"), intotoBundle(v1, other, "b")]);
    samples.set(`dsse 0.0.1 by ${sample}`, [dsseBundle(v1, good), dsseBundle(v1, other)]);
    samples.set(`hashedrekord 0.0.2 by ${sample}`, [await v2.bundle(good), await v2.bundle(other)]);
  }
});

function verify(form: Form, value: unknown, { body }: { body: string }): TagRecord {
  return form === "entry"
    ? proveEntry({ uuid: leafHash(body), entry: value }, context)
    : proveBundle(value, context, "x");
}

/** What a record says and proves; what nobody signed, such as the name of a key, may differ in its bundle. */
function factsOf(record: TagRecord): object {
  const { bundle: _, ...facts } = record;
  return facts;
}

/** That Sigstore's own library takes what we take; throws what it throws. */
function libraryAccepts({ bundle }: TagRecord): void {
  const publicKey = () => ({ publicKey: key.signer.publicKey, validFor: () => true });
  const verifier = new Verifier({ ...context.trustedRoot.material, publicKey });
  verifier.verify(toSignedEntity(bundleFromJSON(bundle)));
}

type Counts = { refused: number; harmless: number };

/** What is another value than before, and what was done. */
function changed(good: unknown, random: Below, other: unknown): ReturnType<typeof mutate> {
  for (;;) {
    const mutated = mutate(good, random, other);
    if (JSON.stringify(mutated[0]) !== JSON.stringify(good)) return mutated;
  }
}

describe("whatever happens to a bundle or an answer, it is refused or says the same", () => {
  const rows = (["entry", "intoto 0.0.2", "dsse 0.0.1", "hashedrekord 0.0.2"] as const).flatMap((form) => [
    { form, sample: "key" as const, seed: 11 },
    { form, sample: "key" as const, seed: 12 },
    { form, sample: "certificate" as const, seed: 13 },
  ]);
  test.for(rows)(
    "in a thousand mutations of $form by a $sample, from seed $seed",
    async ({ form, sample, seed }, { annotate }) => {
      const [good, other] = samples.get(`${form} by ${sample}`) ?? [];
      const entry = good as AnsweredEntry;
      const facts = factsOf(verify(form, good, entry));
      const random = seeded(seed);
      const counts = new Map<Mutation, Counts>(MUTATIONS.map((what) => [what, { refused: 0, harmless: 0 }]));
      const codes = new Map<string, number>();
      let slowest = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const [mutated, what] = changed(good, random, other);
        const count = counts.get(what) ?? { refused: 0, harmless: 0 };
        const start = performance.now();
        try {
          const record = verify(form, mutated, entry);
          expect(factsOf(record), `round ${round}: ${what}`).toEqual(facts);
          libraryAccepts(record);
          count.harmless++;
        } catch (error) {
          if (!(error instanceof RecordError || error instanceof LogEntryError)) throw error;
          expect(error.message.length).toBeLessThan(2000);
          count.refused++;
          codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
        }
        slowest = Math.max(slowest, performance.now() - start);
      }
      const total = [...counts.values()].reduce(
        (sum, { refused, harmless }) => ({
          refused: sum.refused + refused,
          harmless: sum.harmless + harmless,
        }),
        { refused: 0, harmless: 0 },
      );
      await annotate(
        `${form} by ${sample}, seed ${seed}: ${total.refused} refused (${[...codes].map((each) => each.join(" ")).join(", ")}), ${total.harmless} harmless (${[...counts].map(([what, { refused, harmless }]) => `${what} ${refused}+${harmless}`).join(", ")}); slowest ${Math.round(slowest)} ms`,
      );
      expect(total.refused + total.harmless).toBe(ROUNDS);
      expect(slowest).toBeLessThan(MAX_MS);
      // Nearly all of it is signed or hashed, and every part was changed in every way.
      expect(total.refused).toBeGreaterThan(0.8 * ROUNDS);
      expect([...counts].filter(([, { refused, harmless }]) => refused + harmless === 0)).toEqual([]);
    },
  );
});

// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import type { CourierChannel } from "../../src/courier/client/channel.ts";
import { type History, readHistory } from "../../src/record/history.ts";
import type { Evidence } from "../../src/record/record.ts";
import type { Signer } from "../../src/record/signer.ts";
import { subjectHash } from "../../src/record/statement.ts";
import { courierProgram } from "../courier/courier-process.ts";
import { asEvidence, trusting } from "../record/sample-log.ts";
import { identityToken } from "../sigstore/identity-token.ts";
import { newSample, type Sample } from "./sample-sighting.ts";
import { realTarget, SOMEBODY, type Target } from "./target.ts";

const { start } = courierProgram();
const { people, jobs } = { people: inject("sigstore").issuer, jobs: inject("sigstore").jobIssuer };
const directory = mkdtempSync(join(tmpdir(), "tlog-courier-servers-"));
let target: Target;

beforeAll(() => {
  target = realTarget(inject("sigstore"), { name: "real", directory });
});
afterAll(() => rmSync(directory, { recursive: true }));

const deadline = () => ({ signal: AbortSignal.timeout(30_000) });

/** Has the courier record the sample; what it or the log then brings of it. */
async function recorded(
  channel: CourierChannel,
  { reference, statement }: Sample,
  api: 1 | 2,
): Promise<Evidence[]> {
  const { rekorV1, rekorV2, fulcio, timestamp } = target.place;
  const log = { url: api === 1 ? rekorV1 : rekorV2, api };
  const what = { log, fulcio, timestamps: api === 1 ? [] : [timestamp], statement };
  const answer = await channel.record(what, deadline());
  if ("bundle" in answer) return [{ kind: "bundle", bundle: answer.bundle, place: "the courier" }];
  const question = { log: rekorV1, hash: subjectHash(reference), including: answer.uuid };
  return (await channel.find(question, deadline())).entries.map(asEvidence);
}

const historyOf = ({ reference }: Sample, evidence: readonly Evidence[], by: Signer): History =>
  readHistory(evidence, { subject: reference, trust: trusting(by), trustedRoot: target.trustedRoot });

describe("what the courier as it ships records with real servers counts for who trusts the signer", () => {
  const signers: { who: string; by: Signer; secrets: () => Promise<Readonly<Record<string, string>>> }[] = [
    {
      who: "an identity token",
      by: { kind: "identity", issuer: people, identity: SOMEBODY },
      secrets: async () => ({ "tlog-identity-token": await target.token() }),
    },
    {
      who: "a job's right to tokens, as GitHub gives it",
      by: { kind: "identity", issuer: jobs, identity: `${people}/acme/app` },
      secrets: async () => ({
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: "anything",
        ACTIONS_ID_TOKEN_REQUEST_URL: `${jobs}/job?api-version=2.0`,
      }),
    },
  ];
  const rows = ([1, 2] as const).flatMap((api) => signers.map((signer) => ({ api, ...signer })));
  test.for(rows)("$who, Rekor v$api", async ({ api, by, secrets }) => {
    const { channel } = start({ secrets: await secrets() });
    const sample = newSample();
    const { records, rejected } = historyOf(sample, await recorded(channel, sample, api), by);
    expect([...rejected]).toEqual([]);
    expect(records).toMatchObject([{ reference: sample.name, signer: by, strength: "full" }]);
  });

  test.for([1, 2] as const)("a key, Rekor v%d", async (api) => {
    const sample = newSample();
    const pem = sample.key.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const { channel } = start({ secrets: { "tlog-signing-key": pem } });
    const { records, rejected } = historyOf(sample, await recorded(channel, sample, api), sample.by);
    expect([...rejected]).toEqual([]);
    expect(records).toMatchObject([{ reference: sample.name, strength: "full" }]);
  });
});

test("asked for one identity, the log brings its records of a tag and nobody else's", async () => {
  const sample = newSample();
  const ours = start({ secrets: { "tlog-identity-token": await target.token() } }).channel;
  await recorded(ours, sample, 1);
  const email = "somebody@else.example";
  const token = await target.token({ email });
  const all = await recorded(start({ secrets: { "tlog-identity-token": token } }).channel, sample, 1);
  expect(all).toHaveLength(2);
  const question = { log: target.place.rekorV1, hash: subjectHash(sample.reference), identity: SOMEBODY };
  const narrowed = (await ours.find(question, deadline())).entries.map(asEvidence);
  const { records } = historyOf(sample, narrowed, { kind: "identity", issuer: people, identity: SOMEBODY });
  expect([narrowed.length, records.length]).toEqual([1, 1]);
});

test.for([
  { row: "of an issuer that the authority does not know", token: async () => identityToken() },
  {
    row: "whose signature is not its issuer's",
    token: async () => `${(await target.token()).replace(/\.[^.]+$/, "")}.${"A".repeat(86)}`,
  },
])("a token $row is refused, shown to nobody, and records nothing", async ({ token }) => {
  const sample = newSample();
  const text = await token();
  const { channel, said, complained } = start({ secrets: { "tlog-identity-token": text } });
  await expect(recorded(channel, sample, 1)).rejects.toMatchObject({
    code: "refused",
    message: expect.stringContaining('"message":"There was an error processing the identity token"'),
  });
  const question = { log: target.place.rekorV1, hash: subjectHash(sample.reference) };
  expect(await channel.find(question, deadline())).toEqual({ entries: [], dropped: new Map() });
  for (const part of text.split(".")) expect(said() + complained()).not.toContain(part);
});

// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { countingOf } from "../../../src/check/counting.ts";
import { parseReference } from "../../../src/image/reference.ts";
import { sightingStatement, subjectHash } from "../../../src/record/statement.ts";
import { sampleKey, sampleLog, sighting, signEnvelope, trusting } from "../../record/sample-log.ts";
import { courierProgram, type CourierProcess } from "../courier-process.ts";
import { decide, type Decided, decidingProgram, peakMiB } from "../deciding-process.ts";
import { type LocalServer, within } from "../local-server.ts";
import { paddedLog } from "../padded-log.ts";

const { start, program } = courierProgram();
const deciding = decidingProgram();
const key = sampleKey();
const log = sampleLog();
const by = (signer: typeof key, reference?: string) => {
  const observed = sighting({ observedAt: log.now, ...(reference !== undefined && { reference }) });
  return log.found(log.append(signEnvelope(sightingStatement(observed), signer)));
};
const ours = by(key);
const { entry: strangers } = by(sampleKey());
const counting = countingOf(trusting(key.signer), log.trustedRoot);
/** One that has nothing to do has some 60. */
const MAX_MIB = 135;
const MAX_SAID = 1024 * 1024;
const hashOf = (n: number) => `sha256:${n.toString(16).padStart(64, "0")}`;
const allTags = {
  records: new Map([1, 2, 3, 4, 5, 6, 7, 8, 9].map((tag) => [hashOf(tag), ours])),
  stranger: strangers,
};

const search = ({ channel }: CourierProcess, { url }: LocalServer, tag: number, ms = 60_000) =>
  channel.find(
    { log: url.href, hash: hashOf(tag), tag: `tag ${tag}`, ...(counting && { counting }) },
    { signal: within(ms) },
  );

test("50,000 entries of strangers under a tag's name hide nothing, and cost next to nothing", async () => {
  const server = await paddedLog({ ...allTags, count: 50_000, bytes: 1_000 });
  const courier = start({ env: { TLOG_DEADLINE_MS: "60000" } });
  const { entries, dropped } = await search(courier, server, 1);
  expect(entries[0]).toEqual(ours);
  expect(entries, "and a few of the others, to be shown").toHaveLength(1 + 4);
  expect([...dropped]).toEqual([["untrusted-signer", 50_000 - 4]]);
  expect(courier.said().length, "what the deciding process hears").toBeLessThan(MAX_SAID);
  expect(peakMiB(courier.child.pid)).toBeLessThan(MAX_MIB);
}, 90_000);

test("60 MiB of strangers on each of three tags hide nothing, and cost next to nothing", async () => {
  const server = await paddedLog({ ...allTags, count: 600, bytes: 100 * 1024 });
  const courier = start();
  const found = await Promise.all([1, 2, 3].map((tag) => search(courier, server, tag)));
  expect(found.map(({ entries }) => entries)).toEqual([[ours], [ours], [ours]]);
  expect(courier.said().length, "what the deciding process hears").toBeLessThan(MAX_SAID);
  expect(peakMiB(courier.child.pid)).toBeLessThan(MAX_MIB);
}, 60_000);

const { digest } = sighting();
/** Judges tags whose record is among so many entries of strangers, each with a statement of that size. */
async function judgePadded(
  tags: readonly string[],
  padding: { readonly count: number; readonly bytes: number },
): Promise<Decided> {
  const names = tags.map((tag) => `docker.io/library/padded:${tag}`);
  const records = new Map(names.map((name) => [subjectHash(parseReference(name)), by(key, name)] as const));
  const { entry: stranger } = by(sampleKey(), names[0]);
  const server = await paddedLog({ ...padding, records, stranger });
  return decide(deciding, {
    policy: JSON.stringify({
      version: 1,
      // The second one is the name by which the log signs; it is not asked, because v2 has no search.
      logs: [
        { url: server.url.href, api: 1 },
        { url: log.trustedRoot.material.tlogs[0]?.baseURL, api: 2 },
      ],
      trust: [{ key: key.pem }],
      timeout: 60,
    }),
    trustedRoot: log.root,
    images: names.map((name) => `${name}@${digest}`),
    courier: program,
  });
}

test.for([
  { row: "50,000 entries on one tag", tags: ["1"], count: 50_000, bytes: 1_000 },
  { row: "60 MiB on each of three tags", tags: ["1", "2", "3"], count: 600, bytes: 100 * 1024 },
])(
  "$row hide no record, and cost the two processes less than 200 MB together",
  { timeout: 120_000 },
  async ({ tags, count, bytes }) => {
    const { judgements, peakMiB: peaks } = await judgePadded(tags, { count, bytes });
    const judged = { verdict: "unchanged", rejected: { "untrusted-signer": count } };
    expect(judgements).toEqual(tags.map(() => judged));
    const peakMB = (peaks.deciding + peaks.courier) * (1024 ** 2 / 1000 ** 2);
    expect(peakMB, JSON.stringify(peaks)).toBeLessThan(200);
  },
);

test("eight padded tags at a slow log do not keep a ninth waiting", async () => {
  const server = await paddedLog({
    ...allTags,
    isPadded: (hash) => hash !== hashOf(9),
    count: 4_000,
    bytes: 100,
    ms: 200,
  });
  const courier = start({ env: { TLOG_DEADLINE_MS: "4000" } });
  const padded = [1, 2, 3, 4, 5, 6, 7, 8].map((tag) => search(courier, server, tag));
  await expect.poll(() => server.asked.length).toBeGreaterThan(20);
  const begun = performance.now();
  expect((await search(courier, server, 9)).entries).toEqual([ours]);
  expect(performance.now() - begun).toBeLessThan(2_000);
  for (const { status } of await Promise.allSettled(padded)) expect(status).toBe("rejected");
}, 30_000);

// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import { expect, test } from "vitest";
import { countingOf } from "../../../src/check/counting.ts";
import { sightingStatement } from "../../../src/record/statement.ts";
import { sampleKey, sampleLog, sighting, signEnvelope, trusting } from "../../record/sample-log.ts";
import { courierProgram, type CourierProcess } from "../courier-process.ts";
import { json, localServer, type LocalServer, within } from "../local-server.ts";

const { start } = courierProgram();
const key = sampleKey();
const log = sampleLog();
const by = (signer: typeof key) =>
  log.found(log.append(signEnvelope(sightingStatement(sighting({ observedAt: log.now })), signer)));
const ours = by(key);
const { entry: strangers } = by(sampleKey());
const counting = countingOf(trusting(key.signer), log.trustedRoot);
/** One that has nothing to do has some 60. */
const MAX_MIB = 165;
const MAX_SAID = 1024 * 1024;
const hashOf = (n: number) => `sha256:${n.toString(16).padStart(64, "0")}`;

/** A log with our record under every hash, among this many entries of strangers, each with a statement of that size. */
async function paddedLog(
  isPadded: (hash: string) => boolean,
  { count, bytes, ms = 0 }: { readonly count: number; readonly bytes: number; readonly ms?: number },
): Promise<LocalServer> {
  const tree = ours.uuid.slice(0, 16);
  const junk = Array.from({ length: count }, (_, n) => `${tree}${(n + 1).toString(16).padStart(64, "0")}`);
  const padded = [...junk.slice(count / 2), ours.uuid, ...junk.slice(0, count / 2)];
  const entry = JSON.stringify({
    ...strangers,
    attestation: { data: Buffer.alloc(bytes).toString("base64") },
  });
  const answer: RequestListener = (request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const { hash, entryUUIDs = [] } = JSON.parse(body) as { hash?: string; entryUUIDs?: string[] };
      if (hash !== undefined) return json(isPadded(hash) ? padded : [ours.uuid])(request, response);
      const answered = entryUUIDs.map((uuid) =>
        uuid === ours.uuid ? JSON.stringify({ [uuid]: ours.entry }) : `{"${uuid}":${entry}}`,
      );
      setTimeout(() => response.end(`[${answered.join(",")}]`), ms);
      return undefined;
    });
  };
  return localServer(answer);
}

/** The most memory that the courier's process ever had, in MiB. */
function peakMiB({ child }: CourierProcess): number {
  const [, kib] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8")) ?? [];
  return Number(kib) / 1024;
}

const search = ({ channel }: CourierProcess, { url }: LocalServer, tag: number, ms = 60_000) =>
  channel.find(
    { log: url.href, hash: hashOf(tag), tag: `tag ${tag}`, ...(counting && { counting }) },
    { signal: within(ms) },
  );

test("50,000 entries of strangers under a tag's name hide nothing, and cost next to nothing", async () => {
  const server = await paddedLog(() => true, { count: 50_000, bytes: 1_000 });
  const courier = start({ env: { TLOG_DEADLINE_MS: "60000" } });
  const { entries, dropped } = await search(courier, server, 1);
  expect(entries[0]).toEqual(ours);
  expect(entries, "and a few of the others, to be shown").toHaveLength(1 + 4);
  expect([...dropped]).toEqual([["untrusted-signer", 50_000 - 4]]);
  expect(courier.said().length, "what the deciding process hears").toBeLessThan(MAX_SAID);
  expect(peakMiB(courier)).toBeLessThan(MAX_MIB);
}, 90_000);

test("60 MiB of strangers on each of three tags hide nothing, and cost next to nothing", async () => {
  const server = await paddedLog(() => true, { count: 600, bytes: 100 * 1024 });
  const courier = start();
  const found = await Promise.all([1, 2, 3].map((tag) => search(courier, server, tag)));
  expect(found.map(({ entries }) => entries)).toEqual([[ours], [ours], [ours]]);
  expect(courier.said().length, "what the deciding process hears").toBeLessThan(MAX_SAID);
  expect(peakMiB(courier)).toBeLessThan(MAX_MIB);
}, 60_000);

test("eight padded tags at a slow log do not keep a ninth waiting", async () => {
  const server = await paddedLog((hash) => hash !== hashOf(9), { count: 4_000, bytes: 100, ms: 200 });
  const courier = start({ env: { TLOG_DEADLINE_MS: "4000" } });
  const padded = [1, 2, 3, 4, 5, 6, 7, 8].map((tag) => search(courier, server, tag));
  await expect.poll(() => server.asked.length).toBeGreaterThan(20);
  const begun = performance.now();
  expect((await search(courier, server, 9)).entries).toEqual([ours]);
  expect(performance.now() - begun).toBeLessThan(2_000);
  for (const { status } of await Promise.allSettled(padded)) expect(status).toBe("rejected");
}, 30_000);

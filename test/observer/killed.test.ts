// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { SIGHTING_PREDICATE_TYPE } from "../../src/record/statement.ts";
import { type ConfigurationParts, type Observing, startObserving } from "./observing.ts";

const PROCESS = new URL("observing-process.ts", import.meta.url).pathname;
const SHIPPED = new URL("../../dist", import.meta.url).pathname;
const KILLS = 20;
const TAGS = ["1.0", "1.1", "1.2", "1.3"];
const SEED = 20_261_128;

test("an observer that is killed at any moment loses no line, writes none twice, and leaves a whole ledger", async () => {
  const at = await startObserving();
  onTestFinished(at.close);
  for (const tag of TAGS) at.registry.image("team/app", tag, `${tag} at first`);
  await at.run();
  const random = randomNumbers(SEED);
  const counter = countRequests(at);

  let killed = 0;
  for (let kill = 1; kill <= KILLS; kill++) {
    for (const tag of TAGS.slice(0, 2)) at.registry.image("team/app", tag, `${tag} at ${kill}`);
    // A run with two moved tags has some 35 requests, to the registry and to the log.
    const observing = start(at);
    counter.after(1 + Math.floor(random() * 34), () => observing.kill("SIGKILL"));
    const [, signal] = (await once(observing, "exit")) as [number | null, string | null];
    counter.never();
    if (signal === "SIGKILL") killed += 1;
    for (const tag of TAGS) expect((await at.read(tag)).kind).toBe("watched");

    const run = await at.run();
    expect(run.summary).toMatchObject({ notAsked: 0, notRecorded: 0 });
    await expectAllLines(at);
  }
  expect(killed).toBeGreaterThan(KILLS / 2);
  // Each move was seen, none of them twice.
  expect((await at.read("1.0")).records.map(({ sequence }) => sequence)).toEqual(
    Array.from({ length: KILLS + 1 }, (_, n) => n + 1),
  );
}, 120_000);

test("with a Rekor v2 log, which gives no entry twice, a sighting still has one line", async () => {
  const at = await startObserving();
  onTestFinished(at.close);
  const parts = {
    log: `{ url: ${at.sigstore.url}, api: 2 }`,
    signing: `{ key: observer.pem, timestamps: ["${at.sigstore.url}/api/v1/timestamp"] }`,
  };
  at.registry.image("team/app", "1.0", "at first");
  await at.run(parts);
  const counter = countRequests(at);
  // From before the timestamp of a sighting to behind the push of the ledger.
  const points = [8, 9, 10, 11, 12, 14, 18, 22];
  for (const point of points) {
    at.registry.image("team/app", "1.0", `at ${point}`);
    const observing = start(at, parts);
    counter.after(point, () => observing.kill("SIGKILL"));
    await once(observing, "exit");
    counter.never();
    expect((await at.read("1.0")).kind).toBe("watched");
    expect((await at.run(parts)).summary).toMatchObject({ notAsked: 0, notRecorded: 0 });
  }
  expect((await at.read("1.0")).records.map(({ sequence }) => sequence)).toEqual(
    Array.from({ length: points.length + 1 }, (_, n) => n + 1),
  );
}, 60_000);

test("an observer that gets SIGINT ends by itself, and the next run has what it logged", async () => {
  const at = await startObserving();
  onTestFinished(at.close);
  for (let n = 0; n < 40; n++) at.registry.image("team/app", `1.${n}`, `v${n}`);
  const counter = countRequests(at);
  const observing = start(at);
  counter.after(100, () => observing.kill("SIGINT"));
  const [status] = (await once(observing, "exit")) as [number | null];
  counter.never();
  expect(status).toBe(0);
  expect(at.head()?.lines).toBeLessThan(40);
  expect((await at.run()).summary).toMatchObject({ notAsked: 0, notRecorded: 0 });
  await expectAllLines(at);
}, 60_000);

/** Every sighting that the log has is in the ledger, and once. */
async function expectAllLines(at: Observing): Promise<void> {
  const logged = at.sigstore.log.entries.flatMap((entry) => {
    const payload = at.sigstore.log.attestation(entry) ?? Buffer.from("{}");
    const statement = JSON.parse(payload.toString("utf8")) as { predicateType?: string };
    return statement.predicateType === SIGHTING_PREDICATE_TYPE ? [sha256(payload)] : [];
  });
  const kept: string[] = [];
  for (const tag of at.registry.tags.get("team/app")?.keys() ?? []) {
    const { records } = await at.read(tag);
    expect(records.map(({ sequence }) => sequence)).toEqual(records.map((_, index) => index + 1));
    for (const { bundle } of records)
      kept.push(sha256(Buffer.from(bundle?.dsseEnvelope.payload ?? "", "base64")));
  }
  expect(kept.toSorted()).toEqual([...new Set(kept)].toSorted());
  expect(kept.toSorted()).toEqual(logged.toSorted());
}

function start(at: Observing, parts?: ConfigurationParts): ChildProcess {
  const path = join(at.directory, "tlog-observer.yaml");
  writeFileSync(path, at.configurationText(parts));
  const child = spawn(process.execPath, [PROCESS, path, SHIPPED], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

/** Does something at a request to the registry or to the log: there before the answer, here before or after the work. */
function countRequests(at: Observing): { after(n: number, what: () => void): void; never(): void } {
  let left = Infinity;
  let act = () => undefined as void;
  const count = () => {
    if (--left === 0) act();
  };
  at.registry.fault = () => {
    count();
    return false;
  };
  at.sigstore.misbehave({
    method: "POST",
    fault: {
      kind: "rewrite",
      change(response) {
        count();
        return response;
      },
    },
  });
  return {
    after(n, what) {
      left = n;
      act = what;
    },
    never() {
      left = Infinity;
    },
  };
}

/** Numbers from 0 to 1 that are the same in each run of the test (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

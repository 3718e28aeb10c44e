// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { parseIdentity } from "../../src/record/signer.ts";
import { GOOGLE, identityToken } from "../sigstore/identity-token.ts";
import { type Observing, startObserving } from "./observing.ts";

/** Of tests with many tags, on a machine that is busy. */
const SLOW_MS = 120_000;

let at: Observing;
beforeEach(async () => {
  at = await startObserving();
  const { close } = at;
  onTestFinished(close);
});

const events = ({ events: all }: { readonly events: readonly { readonly event: string }[] }) =>
  all.map(({ event }) => event);
const numbers = async (tag: string) => (await at.read(tag)).records.map(({ sequence }) => sequence);

describe("what a build reads after a run", () => {
  test("a tag that was seen for the first time stands, and others are proven not to be watched", async () => {
    const digest = at.registry.image("team/app", "1.0", "one");
    const run = await at.run();
    expect(run.summary).toMatchObject({ tags: 1, firstSeen: 1, moved: 0, notAsked: 0, notRecorded: 0 });
    expect(run.events).toEqual([
      expect.objectContaining({
        event: "first-seen",
        image: `${at.registry.host}/team/app:1.0`,
        digest,
        log: at.sigstore.url,
        logIndex: expect.any(Number),
      }),
    ]);
    expect(await at.read("1.0")).toMatchObject({ kind: "watched", stands: digest });
    expect(await at.read("2.0")).toMatchObject({ kind: "not-watched" });
  });

  test("a tag that moved has two sightings in a row, and the first one stands", async () => {
    const first = at.registry.image("team/app", "1.0", "one");
    await at.run();
    const second = at.registry.image("team/app", "1.0", "two");
    const run = await at.run();
    expect(run.events).toMatchObject([{ event: "moved", from: first, to: second }]);
    const { records, stands } = await at.read("1.0");
    expect(records.map(({ digest, sequence }) => [digest, sequence])).toEqual([
      [first, 1],
      [second, 2],
    ]);
    expect(stands).toBe(first);
  });

  test("a tag that is back at its earlier image has a third sighting", async () => {
    const first = at.registry.image("team/app", "1.0", "one");
    await at.run();
    at.registry.image("team/app", "1.0", "two");
    await at.run();
    at.registry.image("team/app", "1.0", "one");
    await at.run();
    const { records } = await at.read("1.0");
    expect(records.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(records[2]?.digest).toBe(first);
  });

  test("an index of which one platform changed is a move, and the sighting has the platforms", async () => {
    const amd = at.registry.image("team/app", "amd", "amd");
    const arm = at.registry.image("team/app", "arm", "arm");
    at.registry.tags.get("team/app")?.clear();
    putIndex({ "linux/amd64": amd, "linux/arm64": amd });
    await at.run();
    putIndex({ "linux/amd64": amd, "linux/arm64": arm });
    expect(events(await at.run())).toEqual(["moved"]);
    const { records } = await at.read("1.0");
    expect(records[1]?.platforms).toEqual([
      { platform: "linux/amd64", digest: amd },
      { platform: "linux/arm64", digest: arm },
    ]);
  });

  test("each run has a head of its own, one number higher", async () => {
    at.registry.image("team/app", "1.0", "one");
    for (const sequence of [1, 2, 3]) {
      await at.run();
      expect(at.head()).toMatchObject({ sequence, tags: 1, lines: 1 });
    }
  });
});

test("a tag that has not changed costs one HEAD, and nothing is logged but the head", async () => {
  at.registry.image("team/app", "1.0", "one");
  at.registry.image("team/app", "1.1", "another");
  await at.run();
  const logged = at.sigstore.requests.length;
  const run = await at.run();
  expect(run.summary).toMatchObject({ unchanged: 2, firstSeen: 0, moved: 0 });
  expect(run.events).toEqual([]);
  expect(run.requests.filter((request) => request.includes("/team/app/")).toSorted()).toEqual([
    "GET /v2/team/app/tags/list",
    "HEAD /v2/team/app/manifests/1.0",
    "HEAD /v2/team/app/manifests/1.1",
  ]);
  expect(at.sigstore.requests.length - logged).toBe(1);
});

describe("a tag that is deleted", () => {
  test.for(['["1.0"]', '["*"]'])("is gone once, and returned once (tags: %s)", async (tags) => {
    const watch = `[{ repository: ${at.registry.host}/team/app, private: true, tags: ${tags} }]`;
    const digest = at.registry.image("team/app", "1.0", "one");
    at.registry.image("team/app", "other", "other");
    await at.run({ watch });
    at.registry.tags.get("team/app")?.delete("1.0");
    const run = await at.run({ watch });
    expect(run.events).toMatchObject([{ event: "gone", digest }]);
    expect(run.summary).toMatchObject({ gone: 1, notAsked: 0 });
    expect(events(await at.run({ watch }))).toEqual([]);
    at.registry.image("team/app", "1.0", "one");
    expect(events(await at.run({ watch }))).toEqual(["returned"]);
    expect(await numbers("1.0")).toEqual([1]);
  });

  test("and pushed again as another image has returned and moved", async () => {
    at.registry.image("team/app", "1.0", "one");
    at.registry.image("team/app", "other", "other");
    await at.run();
    at.registry.tags.get("team/app")?.delete("1.0");
    await at.run();
    at.registry.image("team/app", "1.0", "two");
    expect(events(await at.run())).toEqual(["returned", "moved"]);
    expect(await numbers("1.0")).toEqual([1, 2]);
  });

  test("a tag that was never there is one that could not be asked for, in each run", async () => {
    const watch = `[{ repository: ${at.registry.host}/team/app, private: true, tags: ["1.0"] }]`;
    at.registry.image("team/app", "other", "other");
    for (const run of [await at.run({ watch }), await at.run({ watch })]) {
      expect(events(run)).toEqual(["not-asked"]);
      expect(run.summary.notAsked).toBe(1);
    }
  });
});

test("a dry run tells what it sees, and signs, logs, pushes and keeps nothing", async () => {
  const digest = at.registry.image("team/app", "1.0", "one");
  const run = await at.run({}, { dryRun: true });
  expect(run.events).toEqual([
    { event: "first-seen", time: expect.any(String), image: `${at.registry.host}/team/app:1.0`, digest },
  ]);
  expect(run.summary).toMatchObject({ firstSeen: 1, dryRun: true });
  expect(run.requests.filter((request) => !/^(GET|HEAD) /.test(request))).toEqual([]);
  expect(at.sigstore.requests).toEqual([]);
  expect(existsSync(join(at.directory, "state"))).toBe(false);
  expect(await at.read("1.0")).toMatchObject({ kind: "failed" });
});

test("names of registries that are not public are in no log, unless the configuration says so", async () => {
  at.registry.image("team/app", "1.0", "one");
  const run = await at.run({ watch: `[{ repository: ${at.registry.host}/team/app }]` });
  expect(run.summary).toMatchObject({ firstSeen: 0, notRecorded: 1 });
  expect(run.events).toMatchObject([
    { event: "not-recorded", why: expect.stringContaining("private: true") },
  ]);
  expect(await at.read("1.0")).toMatchObject({ kind: "not-watched" });
});

describe("the ledger grows, and has all tags", () => {
  test(
    "from one part to shards, and to more of them",
    async () => {
      const digests = new Map<string, string>();
      const steps = [
        [20, 0],
        [40, 4],
        [150, 16],
      ] as const;
      for (const [tags, shards] of steps) {
        for (let n = 0; n < tags; n++)
          digests.set(`1.${n}`, at.registry.image("team/app", `1.${n}`, `v${n}`));
        await at.run();
        expect(at.head()).toMatchObject({ tags, lines: tags, shards });
        for (const [tag, digest] of digests) expect((await at.read(tag)).stands).toBe(digest);
        expect(await at.read("never")).toMatchObject({ kind: "not-watched" });
      }
    },
    SLOW_MS,
  );

  test("and keeps the first sighting and as many of the newest as `keep` says, with the gap between them", async () => {
    const first = at.registry.image("team/app", "1.0", "v1");
    await at.run({ more: "keep: 2" });
    for (let n = 2; n <= 6; n++) {
      at.registry.image("team/app", "1.0", `v${n}`);
      await at.run({ more: "keep: 2" });
    }
    expect(at.head()).toMatchObject({ lines: 3, text: expect.stringContaining("/team/app:1.0 2-4\n") });
    expect(await numbers("1.0")).toEqual([1, 5, 6]);
    expect((await at.read("1.0")).stands).toBe(first);
    await at.run({ more: "keep: 2" });
    expect(readdirSync(join(at.directory, "state", "pending"))).toEqual([]);
  });

  test("a ledger without a line that it had is refused", async () => {
    at.registry.image("team/app", "1.0", "v1");
    await at.run();
    at.registry.image("team/app", "1.0", "v2");
    await at.run();
    const old = at.registry.tags.get("team/ledger")?.get("v1") ?? "";
    at.registry.image("team/app", "1.0", "v3");
    await at.run();
    expect(await numbers("1.0")).toEqual([1, 2, 3]);
    at.registry.tags.get("team/ledger")?.set("v1", old);
    expect(await numbers("1.0")).toEqual([1, 2]);
    await expect(at.run()).rejects.toThrow(
      /was rolled back: this observer saw head 3 there, and it is at head 2 now/,
    );
  });
});

describe("other ways to sign and to log", () => {
  test("a Rekor v2 log, with timestamps", async () => {
    const digest = at.registry.image("team/app", "1.0", "one");
    const parts = {
      log: `{ url: ${at.sigstore.url}, api: 2 }`,
      signing: `{ key: observer.pem, timestamps: ["${at.sigstore.url}/api/v1/timestamp"] }`,
    };
    expect((await at.run(parts)).summary.firstSeen).toBe(1);
    at.registry.image("team/app", "1.0", "two");
    expect((await at.run(parts)).summary.moved).toBe(1);
    expect(await at.read("1.0")).toMatchObject({ kind: "watched", stands: digest });
    expect(await numbers("1.0")).toEqual([1, 2]);
  });

  test("an identity token of a file, which is read anew for each run", async () => {
    const digest = at.registry.image("team/app", "1.0", "one");
    const parts = { signing: `{ token: token, fulcio: ${at.sigstore.url} }` };
    const observer = parseIdentity({ issuer: GOOGLE, identity: "ci@acme.example" });
    writeFileSync(join(at.directory, "token"), identityToken());
    expect((await at.run(parts)).summary.firstSeen).toBe(1);
    writeFileSync(join(at.directory, "token"), identityToken());
    expect((await at.run(parts)).summary.unchanged).toBe(1);
    expect(await at.read("1.0", { observer })).toMatchObject({ kind: "watched", stands: digest });
    expect(await at.read("1.0")).toMatchObject({
      kind: "failed",
      detail: expect.stringMatching(/^ledger-foreign: /),
    });
  });
});

function putIndex(platforms: Readonly<Record<string, string>>): void {
  const manifests = Object.entries(platforms).map(([platform, digest]) => {
    const [os, architecture] = platform.split("/");
    return {
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      digest,
      size: 10,
      platform: { os, architecture },
    };
  });
  const mediaType = "application/vnd.oci.image.index.v1+json";
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
  at.registry.manifests.set(sha256(bytes), { bytes, mediaType });
  at.registry.tags.get("team/app")?.set("1.0", sha256(bytes));
}

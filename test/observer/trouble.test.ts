// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from "node:http";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { startMemoryRegistry } from "./memory-registry.ts";
import { type Observing, startObserving } from "./observing.ts";

/** Of tests with many runs or tags, on a machine that is busy. */
const SLOW_MS = 120_000;

let at: Observing;
beforeEach(async () => {
  at = await startObserving();
  const { close } = at;
  onTestFinished(close);
});

/** Answers requests that match in this way, so many times. */
function misbehave(
  matches: (request: string) => boolean,
  {
    status,
    headers = {},
    times = Infinity,
  }: { readonly status: number; readonly headers?: Record<string, string>; readonly times?: number },
): void {
  let left = times;
  at.registry.fault = (request: IncomingMessage, response: ServerResponse) => {
    if (left === 0 || !matches(`${request.method} ${request.url}`)) return false;
    left -= 1;
    response.writeHead(status, headers).end();
    return true;
  };
}

const well = () => void (at.registry.fault = () => false);
const pendingFiles = () => readdirSync(join(at.directory, "state", "pending"));
const ofTag = (tag: string) => (request: string) => request.endsWith(`/team/app/manifests/${tag}`);

describe("a registry that watched tags are in", () => {
  const rows = [
    { row: "401", status: 401, why: /401.*docker login|docker login.*401|credentials/ },
    { row: "403", status: 403, why: /403/ },
    { row: "500", status: 500, why: /500: the registry is in trouble; try again later/ },
  ];
  test.for(rows)(
    "answers $row for one tag: the others are recorded, and the next run takes that one",
    async ({ status, why }) => {
      at.registry.image("team/app", "1.0", "one");
      at.registry.image("team/app", "1.1", "another");
      misbehave(ofTag("1.0"), { status });
      const run = await at.run();
      expect(run.summary).toMatchObject({ firstSeen: 1, notAsked: 1, gone: 0 });
      expect(run.events).toContainEqual({
        event: "not-asked",
        time: expect.any(String),
        image: `${at.registry.host}/team/app:1.0`,
        why: expect.stringMatching(why),
      });
      expect(await at.read("1.0")).toMatchObject({ kind: "not-watched" });
      expect(await at.read("1.1")).toMatchObject({ kind: "watched" });
      well();
      expect((await at.run()).summary).toMatchObject({ firstSeen: 1, unchanged: 1, notAsked: 0 });
    },
  );

  test("wants to be asked later: it is, once it said when", async () => {
    at.registry.image("team/app", "1.0", "one");
    misbehave(ofTag("1.0"), { status: 429, headers: { "retry-after": "7" }, times: 1 });
    const waited: number[] = [];
    let now = Date.now();
    const pause = async (ms: number) => {
      waited.push(ms);
      now += ms;
    };
    const run = await at.run({}, { now: () => new Date(now), host: { pause } });
    expect(run.summary).toMatchObject({ firstSeen: 1, notAsked: 0 });
    expect(Math.max(...waited)).toBe(7_000);
  });

  test("wants to be asked much later: the run does not wait for it", async () => {
    at.registry.image("team/app", "1.0", "one");
    misbehave(ofTag("1.0"), { status: 429, headers: { "retry-after": "21600" } });
    const run = await at
      .run({ watch: `[{ repository: ${at.registry.host}/team/app, private: true, tags: ["1.0"] }]` })
      .catch((error: unknown) => error);
    // It is the ledger's registry, too, which is not asked before then either.
    expect(run).toMatchObject({ summary: { notAsked: 1, notRecorded: 1 } });
  });

  test("says nothing: the tag is not asked for, and the run ends", async () => {
    at.registry.image("team/app", "1.0", "one");
    at.registry.fault = (request) => ofTag("1.0")(`${request.method} ${request.url}`);
    const run = await at.run({}, { host: { requestMs: 100 } });
    expect(run.events).toMatchObject([{ event: "not-asked", image: `${at.registry.host}/team/app:1.0` }]);
  });

  test("does not answer for a list: what is written out is watched all the same", async () => {
    at.registry.image("team/app", "1.0", "one");
    misbehave((request) => request.includes("/tags/list"), { status: 500 });
    const watch = `[{ repository: ${at.registry.host}/team/app, private: true, tags: ["1.0", "2.*"] }]`;
    const run = await at.run({ watch });
    expect(run.summary).toMatchObject({ tags: 1, firstSeen: 1, notAsked: 1 });
    expect(run.events).toContainEqual(
      expect.objectContaining({ event: "not-asked", image: `${at.registry.host}/team/app` }),
    );
  });

  test("is another one than the ledger's, and down", async () => {
    const other = await startMemoryRegistry();
    await other.close();
    at.registry.image("team/app", "1.0", "one");
    const watch = `[{ repository: ${at.registry.host}/team/app, private: true }, { repository: ${other.host}/a/b, private: true, tags: [x, y] }]`;
    const run = await at.run({ watch });
    expect(run.summary).toMatchObject({ tags: 3, firstSeen: 1, notAsked: 2, notRecorded: 0 });
    expect(await at.read("1.0")).toMatchObject({ kind: "watched" });
  });

  test(
    "lists 50,000 tags in pages, of which those are watched that a pattern matches",
    async () => {
      const digest = at.registry.image("team/app", "v50000", "one");
      const tags = at.registry.tags.get("team/app");
      for (let n = 0; n < 49_999; n++) tags?.set(`build-${n}`, digest);
      const watch = `[{ repository: ${at.registry.host}/team/app, private: true, tags: ["v*"] }]`;
      const run = await at.run({ watch });
      expect(run.summary).toMatchObject({ tags: 1, firstSeen: 1 });
      expect(run.requests.filter((request) => request.endsWith("/tags/list"))).toHaveLength(51);
    },
    SLOW_MS,
  );
});

describe("the ledger's registry", () => {
  test(
    "fails at any one request of a run: the next run has it all, and no line is there twice",
    async () => {
      at.registry.image("team/app", "1.0", "v0");
      const { requests } = await at.run();
      expect(requests.length).toBeGreaterThan(10);
      for (let failing = 1; failing <= requests.length + 4; failing++) {
        const digest = at.registry.image("team/app", "1.0", `v${failing}`);
        let n = 0;
        at.registry.fault = (_request, response) => {
          if (++n < failing) return false;
          response.writeHead(503).end();
          return true;
        };
        const before = at.head()?.sequence ?? 0;
        await at.run().catch((error: unknown) => error);
        expect((await at.read("1.0")).kind).toBe("watched");
        well();
        const run = await at.run();
        expect(run.summary).toMatchObject({ notAsked: 0, notRecorded: 0 });
        expect(at.head()?.sequence).toBeGreaterThan(before);
        const { records } = await at.read("1.0");
        expect(records.map(({ sequence }) => sequence)).toEqual(records.map((_, index) => index + 1));
        expect(records.at(-1)?.digest).toBe(digest);
      }
    },
    SLOW_MS,
  );

  test("fails once at each request of a push: the run goes on", async () => {
    at.registry.image("team/app", "1.0", "one");
    const failed = new Set<string>();
    at.registry.fault = (request, response) => {
      const name = `${request.method} ${request.url?.replace(/sha256:[0-9a-f]+/g, "").replace(/sha256%3A.*/, "")}`;
      if (!name.includes("/team/ledger/") || failed.has(name)) return false;
      failed.add(name);
      response.writeHead(500).end();
      return true;
    };
    const run = await at.run();
    expect(failed.size).toBeGreaterThan(4);
    expect(run.summary).toMatchObject({ firstSeen: 1, notRecorded: 0 });
    expect(await at.read("1.0")).toMatchObject({ kind: "watched" });
  });

  test.for([401, 403, 429])(
    "takes nothing (%i): what is logged waits, and the next run puts it in",
    async (status) => {
      const digest = at.registry.image("team/app", "1.0", "one");
      misbehave((request) => request.startsWith("POST ") || request.startsWith("PUT "), {
        status,
        headers: { "retry-after": "900" },
      });
      const run = await at.run();
      expect(run.summary).toMatchObject({ firstSeen: 1, notRecorded: 1 });
      expect(run.events).toContainEqual({
        event: "not-recorded",
        time: expect.any(String),
        why: expect.stringMatching(
          /^the ledger was not written: .*; new lines of 1 tag wait for the next run$/,
        ),
      });
      expect(pendingFiles()).toHaveLength(1);
      expect(at.head()).toBeUndefined();
      well();
      const logged = at.sigstore.requests.length;
      expect((await at.run()).summary).toMatchObject({ unchanged: 1, firstSeen: 0, notRecorded: 0 });
      expect(await at.read("1.0")).toMatchObject({ stands: digest });
      // A head, and no second sighting.
      expect(at.sigstore.requests.length - logged).toBe(1);
    },
  );

  test("is down: the run says so and begins nothing", async () => {
    at.registry.image("team/app", "1.0", "one");
    misbehave(() => true, { status: 502 });
    await expect(at.run()).rejects.toThrow(/\/v2\/team\/ledger\/manifests\/v1: status 502/);
    expect(at.sigstore.requests).toEqual([]);
  });
});

describe("the log", () => {
  test("is down: nothing claims to be recorded, the ledger stays, and the next run records it", async () => {
    at.registry.image("team/app", "1.0", "one");
    await at.run();
    const { sequence } = at.head() ?? { sequence: 0 };
    const digest = at.registry.image("team/app", "1.0", "two");
    const restore = at.sigstore.misbehave({ fault: { kind: "drop" } });
    const run = await at.run();
    expect(run.summary).toMatchObject({ moved: 0, notRecorded: 2 });
    expect(run.events.map(({ event }) => event)).toEqual(["not-recorded", "not-recorded"]);
    expect(at.head()).toMatchObject({ sequence, lines: 1 });
    restore();
    const next = await at.run();
    expect(next.events).toMatchObject([{ event: "moved", to: digest, logIndex: expect.any(Number) }]);
    const { records } = await at.read("1.0");
    expect(records.map((record) => record.sequence)).toEqual([1, 2]);
  });

  test(
    "is down for many tags: it is asked a few times, and each tag is told",
    async () => {
      for (let n = 0; n < 30; n++) at.registry.image("team/app", `1.${n}`, `v${n}`);
      at.sigstore.misbehave({ fault: { kind: "answer", status: 500, body: "" } });
      const run = await at.run();
      expect(run.summary).toMatchObject({ firstSeen: 0, notRecorded: 31 });
      expect(at.sigstore.requests.length).toBeLessThan(80);
    },
    SLOW_MS,
  );

  test("takes the entry, and its answer is lost: the next run has the line, and the log has it once", async () => {
    at.registry.image("team/app", "1.0", "one");
    const restore = at.sigstore.misbehave({ method: "POST", fault: { kind: "lose" } });
    expect((await at.run()).summary).toMatchObject({ firstSeen: 0, notRecorded: 2 });
    restore();
    const sizeBefore = logSize();
    expect((await at.run()).events).toMatchObject([{ event: "first-seen" }]);
    // The head that was not heard of, once more, and one that follows it.
    expect(logSize() - sizeBefore).toBe(2);
    expect(at.head()).toMatchObject({ sequence: 2 });
    expect((await at.read("1.0")).records).toHaveLength(1);
  });

  test("does not answer for long: what it may have taken in waits, and its number is not given again", async () => {
    at.registry.image("team/app", "1.0", "one");
    const earlier = () => new Date(Date.now() - 12 * 60_000);
    const restore = at.sigstore.misbehave({ method: "POST", fault: { kind: "lose" } });
    await at.run({}, { now: earlier });
    restore();
    const restoreAgain = at.sigstore.misbehave({ fault: { kind: "drop" } });
    const run = await at.run();
    expect(run.summary).toMatchObject({ firstSeen: 0, notRecorded: 2 });
    expect(pendingFiles()).toHaveLength(1);
    restoreAgain();
    expect((await at.run()).events).toMatchObject([{ event: "first-seen" }]);
    expect((await at.read("1.0")).records).toHaveLength(1);
  });

  test("has another day than this machine: nothing is taken for recorded", async () => {
    at.registry.image("team/app", "1.0", "one");
    for (const days of [-1, 1]) {
      const run = await at.run({}, { now: () => new Date(Date.now() + days * 86_400_000) });
      expect(run.summary).toMatchObject({ firstSeen: 0 });
      expect(run.summary.notRecorded).toBeGreaterThan(0);
      expect(at.head()).toBeUndefined();
    }
    expect((await at.run()).summary).toMatchObject({ firstSeen: 1 });
    expect((await at.read("1.0")).records).toHaveLength(1);
  });

  test("answers for an older time: the sighting is not taken for recorded", async () => {
    at.registry.image("team/app", "1.0", "one");
    at.sigstore.misbehave({
      method: "POST",
      fault: {
        kind: "rewrite",
        change: (response) => ({
          ...response,
          body: String(response.body).replace(/"integratedTime":\s*\d+/, '"integratedTime":1'),
        }),
      },
    });
    const run = await at.run();
    expect(run.summary).toMatchObject({ firstSeen: 0, notRecorded: 2 });
    expect(at.head()).toBeUndefined();
  });

  test("answers something that is no entry", async () => {
    at.registry.image("team/app", "1.0", "one");
    at.sigstore.misbehave({ method: "POST", fault: { kind: "answer", status: 201, body: "{}" } });
    const run = await at.run();
    expect(run.summary).toMatchObject({ firstSeen: 0, notRecorded: 2 });
    expect(at.head()).toBeUndefined();
  });
});

describe("a ledger that is not as this observer left it", () => {
  const other = { signing: "{ key: other.pem }", state: "other" };

  test("is somebody else's: the run is refused, and the ledger stays", async () => {
    at.newKey("other.pem");
    at.registry.image("team/app", "1.0", "one");
    await at.run(other);
    const digest = at.registry.tags.get("team/ledger")?.get("v1");
    await expect(at.run()).rejects.toThrow(/its head is not signed by its observer/);
    expect(at.registry.tags.get("team/ledger")?.get("v1")).toBe(digest);
  });

  test("was rolled back: refused, until the state is removed", async () => {
    at.registry.image("team/app", "1.0", "one");
    await at.run();
    const old = at.registry.tags.get("team/ledger")?.get("v1") ?? "";
    at.registry.image("team/app", "1.0", "two");
    await at.run();
    at.registry.tags.get("team/ledger")?.set("v1", old);
    await expect(at.run()).rejects.toThrow(
      /rolled back: this observer saw head 2 there, and it is at head 1 now; restore it, or remove/,
    );
    at.registry.tags.get("team/ledger")?.delete("v1");
    await expect(at.run()).rejects.toThrow(/and there is none now/);
  });

  test("was forked by another process with this key: the lines of both are there after the next runs", async () => {
    at.registry.image("team/app", "1.0", "one");
    await at.run();
    const old = at.registry.tags.get("team/ledger")?.get("v1") ?? "";
    at.registry.image("team/app", "1.1", "two");
    await at.run();
    at.registry.tags.get("team/ledger")?.set("v1", old);
    const only = `[{ repository: ${at.registry.host}/team/app, private: true, tags: ["1.2"] }]`;
    at.registry.image("team/app", "1.2", "three");
    await at.run({ state: "other", watch: only });
    expect(at.head()).toMatchObject({ sequence: 2 });
    expect(await at.read("1.1")).toMatchObject({ kind: "not-watched" });
    await at.run();
    for (const tag of ["1.0", "1.1", "1.2"]) expect(await at.read(tag)).toMatchObject({ kind: "watched" });
  });

  test("has a head that is garbage", async () => {
    at.registry.image("team/app", "1.0", "one");
    await at.run();
    const [, { bytes }] = [...at.registry.manifests].find(
      ([digest]) => digest === at.registry.tags.get("team/ledger")?.get("v1"),
    ) ?? ["", { bytes: Buffer.of() }];
    const { manifests } = JSON.parse(bytes.toString("utf8")) as { manifests: { digest: string }[] };
    const digest = manifests[0]?.digest ?? "";
    const put = (text: string) => at.registry.image("team/ledger", "v1", text);
    at.registry.manifests.delete(digest);
    await expect(at.run()).rejects.toThrow(
      /the ledger "[^"]+" cannot be gone on with: its manifest "sha256:\w+" is not there/,
    );
    put("an image");
    await expect(at.run()).rejects.toThrow(/its tag "v1" names something else/);
  });

  test("lacks a shard: the run is refused, and what it logged waits", async () => {
    for (let n = 0; n < 80; n++) at.registry.image("team/app", `1.${n}`, `v${n}`);
    await at.run();
    const { text, sequence } = at.head() ?? { text: "", sequence: 0 };
    const [shard = ""] = /sha256:[0-9a-f]{64}/.exec(text) ?? [];
    at.registry.manifests.delete(shard);
    await expect(at.run()).rejects.toThrow(/the shard "sha256:\w+" of the ledger: .*is not there/);
    expect(at.head()).toMatchObject({ sequence });
  });
});

describe("the state directory", () => {
  test("is in use by another process", async () => {
    at.registry.image("team/app", "1.0", "one");
    await at.run();
    writeFileSync(join(at.directory, "state", "lock"), String(process.ppid));
    await expect(at.run()).rejects.toThrow(`another observer (process ${process.ppid}) uses the directory`);
  });

  test("was left by a process that is gone", async () => {
    at.registry.image("team/app", "1.0", "one");
    await at.run();
    writeFileSync(join(at.directory, "state", "lock"), "4194304");
    expect((await at.run()).summary).toMatchObject({ unchanged: 1 });
    expect(existsSync(join(at.directory, "state", "lock"))).toBe(false);
  });

  test("is a file", async () => {
    writeFileSync(join(at.directory, "state"), "");
    await expect(at.run()).rejects.toThrow(/cannot use the directory ".*state"/);
  });

  test("has a state.json that is none: the run is refused, and says what to do", async () => {
    at.registry.image("team/app", "1.0", "one");
    await at.run();
    writeFileSync(join(at.directory, "state", "state.json"), "{");
    await expect(at.run()).rejects.toThrow(
      /state\.json" is not what an observer wrote; move it away to go on without it/,
    );
    expect(existsSync(join(at.directory, "state", "lock"))).toBe(false);
  });

  test("has a broken file of a sighting: it is told, and all else is recorded", async () => {
    at.registry.image("team/app", "1.0", "one");
    await at.run();
    const name = pendingFiles()[0] ?? "";
    writeFileSync(join(at.directory, "state", "pending", name), "garbage");
    at.registry.image("team/app", "1.0", "two");
    const run = await at.run();
    expect(run.events).toMatchObject([
      { event: "not-recorded", why: expect.stringContaining(name) },
      { event: "moved" },
    ]);
  });

  test("has nothing that others may read", async () => {
    at.registry.image("team/app", "1.0", "one");
    await at.run();
    const state = join(at.directory, "state");
    const paths = ["pending", "state.json", join("pending", pendingFiles()[0] ?? "")];
    expect(paths.map((path) => statSync(join(state, path)).mode & 0o077)).toEqual([0, 0, 0]);
  });
});

test(
  "many lines that an earlier run could not push are put in batch by batch, and no tag is recorded again",
  async () => {
    for (let n = 0; n < 300; n++) at.registry.image("team/app", `1.${n}`, `v${n}`);
    misbehave((request) => request.startsWith("PUT "), { status: 403 });
    expect((await at.run()).summary).toMatchObject({ firstSeen: 300, notRecorded: 1 });
    well();
    const run = await at.run({}, { host: { batch: 20 } });
    expect(run.summary).toMatchObject({ unchanged: 300, firstSeen: 0, moved: 0, notRecorded: 0 });
    expect(at.head()).toMatchObject({ tags: 300, lines: 300 });
  },
  SLOW_MS,
);

test(
  "a run with many new tags puts them in batch by batch",
  async () => {
    for (let n = 0; n < 300; n++) at.registry.image("team/app", `1.${n}`, `v${n}`);
    const run = await at.run({}, { host: { batch: 20 } });
    expect(run.summary).toMatchObject({ firstSeen: 300, notRecorded: 0 });
    // Two slices of the tags, and nothing left for a third head.
    expect(at.head()).toMatchObject({ sequence: 2, tags: 300, lines: 300 });
  },
  SLOW_MS,
);

describe("a run that is told to end", () => {
  test("ends soon; what is logged is in the ledger or waits, and the next run has the rest", async () => {
    for (let n = 0; n < 40; n++) at.registry.image("team/app", `1.${n}`, `v${n}`);
    const ending = new AbortController();
    let seen = 0;
    const run = await at.run(
      {},
      {
        signal: ending.signal,
        onEvent: () => {
          if (++seen === 10) ending.abort();
        },
      },
    );
    expect(run.summary.firstSeen).toBeGreaterThanOrEqual(10);
    expect(run.summary.firstSeen).toBeLessThan(40);
    expect(run.summary).toMatchObject({ notAsked: 0, notRecorded: 0 });
    expect(at.head()).toMatchObject({ lines: run.summary.firstSeen });
    const next = await at.run();
    expect(next.summary.unchanged + next.summary.firstSeen).toBeGreaterThanOrEqual(40);
    for (let n = 0; n < 40; n++)
      expect((await at.read(`1.${n}`)).records.map(({ sequence }) => sequence)).toEqual([1]);
  });

  test("before it began does nothing", async () => {
    at.registry.image("team/app", "1.0", "one");
    const run = await at.run({}, { signal: AbortSignal.abort() }).catch((error: unknown) => error);
    expect(at.head()).toBeUndefined();
    expect(at.sigstore.requests).toEqual([]);
    expect(run).toBeDefined();
  });
});

describe("two observers of one ledger at once", () => {
  test(
    "lose no line, and the chain of each tag holds",
    async () => {
      const { host } = at.registry;
      const watch = (tags: string) => ({
        watch: `[{ repository: ${host}/team/app, private: true, tags: ${tags} }]`,
      });
      const one = { state: "one", ...watch('["a-*", "both-*"]') };
      const other = { state: "other", ...watch('["b-*", "both-*"]') };
      const pause = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms));
      for (let round = 0; round < 4; round++) {
        for (const name of ["a", "b", "both"])
          for (let n = 0; n < 4; n++) at.registry.image("team/app", `${name}-${n}`, `${name} ${n} ${round}`);
        await Promise.all([at.run(one, { host: { pause } }), at.run(other, { host: { pause } })]);
      }
      // What the other wrote over at the last moment.
      await at.run(one);
      await at.run(other);
      for (const name of ["a", "b", "both"]) {
        for (let n = 0; n < 4; n++) {
          const { kind, records } = await at.read(`${name}-${n}`);
          expect(kind).toBe("watched");
          expect([...new Set(records.map(({ sequence }) => sequence))]).toEqual([1, 2, 3, 4]);
        }
      }
    },
    SLOW_MS,
  );
});

function logSize(): number {
  return at.sigstore.log.size;
}

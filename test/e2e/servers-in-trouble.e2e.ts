// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { createServer } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { processesWith, startBuild } from "./cases/interrupted-build.ts";
import { expectBuilt, type ExpectedUnknown, expectUnknown, verdictLines } from "./cases/refusal.ts";
import { type RegistryInBetween, startRegistryInBetween } from "./cases/registry-in-between.ts";
import { type Site, startSite } from "./cases/site.ts";
import { newSigningKey, proposeHashedrekord } from "../sigstore/signed-statement.ts";
import type { FaultRule } from "../sigstore/faults.ts";

let site: Site;
let heal: () => void = () => undefined;

beforeAll(async () => {
  site = await startSite();
});
afterEach(() => heal());
afterAll(() => site?.stop());

function misbehave(rule: FaultRule): void {
  heal = site.sigstore.misbehave(rule);
}

const SEARCH = "/api/v1/index/retrieve";
const ENTRIES = "/api/v1/log/entries";
const READ = /^\/api\/v1\/log\/entries(\/.*)?$/;

describe("when the log is in trouble, nothing runs and one message says what", () => {
  test.for([
    {
      row: "answers HTML",
      rule: {
        path: SEARCH,
        fault: { kind: "answer", status: 200, body: "<html>Welcome</html>", contentType: "text/html" },
      },
      detail:
        /POST http:\S+\/api\/v1\/index\/retrieve: the answer is not JSON; is this the URL of a Rekor log\?/,
    },
    {
      row: "answers 500",
      rule: {
        path: SEARCH,
        fault: { kind: "answer", status: 500, body: '{"code":500,"message":"out of order"}' },
      },
      detail: /the log answered status 500, .*out of order/,
    },
    {
      row: "hangs up in the middle of an answer",
      rule: { path: SEARCH, fault: { kind: "truncate", bytes: 1 } },
      detail: /POST http:\S+: .*(ended|before)/,
    },
    {
      row: "does not end its answer",
      rule: { path: SEARCH, fault: { kind: "oversize", bytes: 64 * 1024 * 1024 } },
      detail: /POST http:\S+: the answer is larger than \d+ bytes/,
    },
    {
      row: "hangs up without an answer",
      rule: { path: SEARCH, fault: { kind: "drop" } },
      detail: /POST http:\S+: /,
    },
    {
      row: "takes no new entry now",
      rule: { method: "POST", path: ENTRIES, fault: { kind: "answer", status: 503, body: "{}" } },
      detail: /not recorded: POST http:\S+\/api\/v1\/log\/entries: /,
    },
    {
      row: "refuses the new entry",
      rule: {
        method: "POST",
        path: ENTRIES,
        fault: { kind: "answer", status: 400, body: '{"code":400,"message":"not here"}' },
      },
      name: "RecordingFailed",
      detail:
        /not recorded: POST http:\S+\/api\/v1\/log\/entries: the log answered status 400, .*not here.*$/,
    },
    {
      row: "proves another leaf than the one it shows",
      rule: {
        path: READ,
        fault: {
          kind: "rewrite",
          change: (response) => ({
            ...response,
            body: String(response.body).replaceAll(/"hashes":\["[0-9a-f]{8}/g, '"hashes":["00000000'),
          }),
        },
      },
      name: "LogUnproven",
      detail: /^recorded, but the log does not prove it$/,
      ignored: "1 entry under this name in the log does not count (1 not-in-log)",
    },
  ] as { row: string; rule: FaultRule; name?: ExpectedUnknown["name"]; detail: RegExp; ignored?: string }[])(
    "$row",
    async ({ row, rule, name = "LogUnreachable", detail, ignored }) => {
      const { reference } = await site.pushSystem(`log-${row.replaceAll(" ", "-")}:1.0`.toLowerCase(), "one");
      // A tree of one leaf has a proof without hashes.
      site.sigstore.log.append(proposeHashedrekord(Buffer.from(row), newSigningKey()));
      const request = { dockerfile: `FROM ${reference}\nRUN cat /version\n` };
      misbehave(rule);
      expectUnknown(await site.build(request), { reference, name, detail, ...(ignored && { ignored }) });
      heal();
      expectBuilt(await site.build(request));
    },
  );

  test("it refuses connections", async () => {
    const { reference } = await site.pushSystem("no-log:1.0", "one");
    const closed = `http://${site.lab.hostAddress}:${await closedPort()}`;
    const policy = site.policy.replaceAll(site.sigstore.url, closed);
    const open = policy.replaceAll(new URL(site.sigstore.url).host, new URL(closed).host);
    const root = JSON.stringify(site.sigstore.trustedRoot).replaceAll(site.sigstore.url, closed);
    const syntax = await site.derive({ policy: open, files: { "trusted_root.json": root } });
    expectUnknown(await site.build({ syntax, dockerfile: `FROM ${reference}\n` }), {
      reference,
      name: "LogUnreachable",
      detail: /POST http:\S+\/api\/v1\/index\/retrieve: .*(ECONNREFUSED|refused)/,
    });
  });

  test("it is slow, and the build's deadline passes", async () => {
    const { reference } = await site.pushSystem("slow-log:1.0", "one");
    misbehave({ path: SEARCH, fault: { kind: "delay", ms: 120_000 } });
    const built = await site.build({
      dockerfile: `FROM ${reference}\n`,
      args: ["--build-arg", "TLOG_TIMEOUT=2"],
      timeoutMs: 30_000,
    });
    expectUnknown(built, {
      reference,
      name: "LogUnreachable",
      detail: /POST http:\S+: .*(time|deadline|2000 ms|2 s)/,
    });
    expect(built.durationMs).toBeGreaterThan(2_000);
    expect(built.durationMs).toBeLessThan(20_000);
  });

  test("it loses the answer to a new entry, and the next build finds the entry", async () => {
    const { reference, digest } = await site.pushSystem("lost-answer:1.0", "one");
    const request = { dockerfile: `FROM ${reference}\n` };
    misbehave({ method: "POST", path: ENTRIES, fault: { kind: "lose" } });
    expectUnknown(await site.build(request), { reference, name: "LogUnreachable", detail: /not recorded: / });
    heal();
    const next = await site.build(request);
    expectBuilt(next);
    expect(verdictLines(next.output)).toEqual([
      expect.stringMatching(`^${reference} unchanged since \\S+: ${digest} `),
    ]);
  });

  test("it cannot be asked, and the policy says to warn: the build goes on and says so", async () => {
    const { reference, digest } = await site.pushSystem("warned:1.0", "one");
    const syntax = await site.derive({ policy: `${site.policy}default: { unknown: warn }\n` });
    misbehave({ path: SEARCH, fault: { kind: "answer", status: 500, body: "" } });
    const built = await site.build({ syntax, dockerfile: `FROM ${reference}\n` });
    expectBuilt(built);
    expect(verdictLines(built.output)).toEqual([
      expect.stringContaining(`${reference} UNKNOWN: ${digest} could not be checked: `),
    ]);
  });
});

describe("when the user gives up", () => {
  test("while the log is slow, the build ends at once and nothing of it goes on", async () => {
    const { reference } = await site.pushSystem("given-up:1.0", "one");
    misbehave({ path: SEARCH, fault: { kind: "delay", ms: 120_000 } });
    const asked = site.sigstore.requests.length;
    // Proxy settings are handed on to our processes; this one is for a host that nobody asks.
    const mark = `${randomUUID()}.invalid`;
    const build = await startBuild(site.lab, {
      dockerfile: `# syntax=${site.frontend}\nFROM ${reference}\n`,
      args: ["--build-arg", `NO_PROXY=${mark}`, "--output", "type=cacheonly"],
      secrets: { "tlog-signing-key": site.key },
    });
    const bounds = { timeout: 30_000, interval: 50 };
    await vi.waitFor(() => expect(site.sigstore.requests.slice(asked)).toContain(`POST ${SEARCH}`), bounds);
    const running = await processesWith(mark);
    expect(running).toContainEqual(expect.stringContaining("/opt/tlog-dockerfile/frontend.blob"));
    expect(running).toContainEqual(expect.stringContaining("/opt/tlog-dockerfile/courier.js"));

    const interrupted = performance.now();
    build.interrupt();
    const { code, output } = await build.ended;
    expect(performance.now() - interrupted).toBeLessThan(5_000);
    expect(code).not.toBe(0);
    expect(output).toContain("context canceled");
    await vi.waitFor(async () => expect(await processesWith(mark)).toEqual([]), {
      ...bounds,
      timeout: 10_000,
    });

    heal();
    const next = await site.build({ dockerfile: `FROM ${reference}\nRUN cat /version\n`, timeoutMs: 30_000 });
    expectBuilt(next);
  });
});

describe("when a registry is in trouble", () => {
  let between: RegistryInBetween;
  let syntax: string;
  beforeAll(async () => {
    between = await startRegistryInBetween(site.lab.registry);
    const host = `  - { host: "${between.address}", plain-http: true }\n`;
    syntax = await site.derive({ policy: site.policy + host });
  });
  afterAll(() => between?.close());

  test("that refuses connections, BuildKit says so as without us", async () => {
    const dockerfile = `FROM ${site.lab.hostAddress}:${await closedPort()}/base:1.0\n`;
    const built = await site.build({ dockerfile });
    expect(built.output).toMatch(/\nERROR: failed to build: failed to solve: .*connection refused\n/);
    expect(built.code).toBe(1);
  });

  test("and does not show the tag's manifest to us, nothing is recorded and nothing runs", async () => {
    await site.pushSystem("hidden:503", "one");
    const reference = `${between.address}/hidden:503`;
    between.answer("503", { status: 503, body: "{}" });
    expectUnknown(await site.build({ syntax, dockerfile: `FROM ${reference}\n` }), {
      reference,
      name: "LogUnreachable",
      detail: /not recorded: (?:HEAD|GET) http:\S+\/v2\/hidden\/manifests\/503: status 503/,
    });
    expect(site.entriesOf(reference)).toEqual([]);
  });

  test.for([
    {
      row: "wants credentials from us",
      tag: "private",
      answer: { status: 401, body: "{}" },
      says: "only images that anyone can pull are recorded",
    },
    {
      row: "shows everybody another image than BuildKit got",
      tag: "differs",
      answer: {
        status: 200,
        type: "application/vnd.oci.image.index.v1+json",
        body: JSON.stringify({ schemaVersion: 2, manifests: [] }),
      },
      says: "a local image, or a mirror that differs",
    },
  ])("and $row, nothing is recorded and the build says why", async ({ tag, answer, says }) => {
    const { digest } = await site.pushSystem(`hidden:${tag}`, "one");
    const reference = `${between.address}/hidden:${tag}`;
    between.answer(tag, answer);
    const built = await site.build({ syntax, dockerfile: `FROM ${reference}\n` });
    expectBuilt(built);
    expect(verdictLines(built.output)).toEqual([
      expect.stringMatching(`^${reference} NOT RECORDED: ${digest} \\(.*${says}`),
    ]);
    expect(site.entriesOf(reference)).toEqual([]);
  });
});

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, site.lab.hostAddress, listening));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

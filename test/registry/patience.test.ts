// SPDX-License-Identifier: Apache-2.0
import type { RequestListener } from "node:http";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { closedPort, inTurn, localServer, within } from "../courier/local-server.ts";
import { fakeRegistry } from "./fake-registry.ts";
import { answer, opened } from "./opened.ts";

const INDEX = "application/vnd.oci.image.index.v1+json";
const bytes = Buffer.from('{\n "schemaVersion": 2 }');
const digest = sha256(bytes);
const until = { signal: within(20_000) };
const at = (registry: string, repository = "team/ledger") => ({ registry, repository });
const manifest = answer(200, { "content-type": INDEX, "docker-content-digest": digest }, bytes);
const cut: RequestListener = (request) => request.socket.destroy();
const half: RequestListener = (request, response) => {
  response.writeHead(200, { "content-type": INDEX, "content-length": String(bytes.length) });
  response.write(bytes.subarray(0, 5), () => request.socket.destroy());
};

describe("a registry in trouble is asked again", () => {
  test.for([
    { row: "500", trouble: answer(500) },
    { row: "503", trouble: answer(503) },
    { row: "a broken connection", trouble: cut },
    { row: "half an answer", trouble: half },
  ])("after growing pauses ($row)", async ({ trouble }) => {
    const { host } = await localServer(inTurn(trouble, trouble, trouble, manifest));
    const { registry, paused } = opened();
    expect(await registry.manifest(at(host), "v1", until)).toMatchObject({ bytes });
    expect(paused).toHaveLength(3);
    expect(paused[1]).toBeGreaterThan(paused[0] ?? 0);
    expect(paused[2]).toBeGreaterThan(paused[1] ?? 0);
  });

  test.for([
    { row: "500", trouble: answer(500, {}, "boom"), text: "status 500: the registry is in trouble" },
    { row: "a broken connection", trouble: cut, text: "socket hang up" },
    { row: "half an answer", trouble: half, text: "ended after 5 bytes" },
  ])("four times in all ($row)", async ({ trouble, text }) => {
    const { host, asked } = await localServer(trouble);
    const done = opened().registry.manifest(at(host), "v1", until);
    await expect(done).rejects.toMatchObject({ code: "unreachable" });
    await expect(done).rejects.toThrow(text);
    expect(asked).toHaveLength(4);
  });

  test("when a manifest is pushed", async () => {
    const { host } = await localServer(inTurn(answer(500), cut, answer(201)));
    const done = opened().registry.pushManifest(at(host), "v1", { bytes, mediaType: INDEX }, until);
    expect(await done).toBe(digest);
  });

  test("when a blob is pushed, whose upload begins anew", async () => {
    const fake = fakeRegistry();
    let failed = 0;
    const { host, asked } = await localServer((request, response) => {
      if (request.method === "PUT" && ++failed < 3) (failed === 1 ? cut : answer(502))(request, response);
      else fake.answer(request, response);
    });
    expect(await opened().registry.pushBlob(at(host), bytes, until)).toBe(digest);
    expect(fake.blobs.get(digest)).toEqual(bytes);
    expect(asked.map((each) => each.split(" ")[0]).join(" ")).toBe(
      "HEAD POST PUT HEAD POST PUT HEAD POST PUT",
    );
  });

  test("when it takes a connection and says nothing, after the longest time that one request may take", async () => {
    const { host, asked } = await localServer(inTurn(() => undefined, manifest));
    const { registry, counted } = opened({ requestMs: 100 });
    expect(await registry.head(at(host), "v1", until)).toMatchObject({ digest });
    expect(asked).toHaveLength(2);
    expect(counted.map(({ status }) => status)).toEqual([undefined, 200]);
  });

  test("but not after the deadline", async () => {
    const { host, asked } = await localServer(() => undefined);
    const done = opened().registry.head(at(host), "v1", { signal: within(100) });
    await expect(done).rejects.toMatchObject({
      code: "unreachable",
      message: `HEAD http://${host}/v2/team/ledger/manifests/v1: no answer in time`,
    });
    expect(asked).toHaveLength(1);
  });

  test("where nobody listens", async () => {
    const { host } = await closedPort();
    const { registry, paused } = opened();
    await expect(registry.head(at(host), "v1", until)).rejects.toMatchObject({ code: "unreachable" });
    expect(paused).toHaveLength(3);
  });

  test("but not when it refuses", async () => {
    const { host, asked } = await localServer(answer(418, {}, "pot"));
    const done = opened().registry.manifest(at(host), "v1", until);
    await expect(done).rejects.toMatchObject({ code: "refused" });
    await expect(done).rejects.toThrow('refuses "' + host + '/team/ledger:v1": "pot"');
    expect(asked).toHaveLength(1);
  });
});

describe("a registry that wants to be asked later", () => {
  const later = (status: number, retryAfter: string) => answer(status, { "retry-after": retryAfter });

  test.for([429, 503])("is asked then (%s)", async (status) => {
    const { host } = await localServer(inTurn(later(status, "42"), manifest));
    const { registry, paused } = opened();
    expect(await registry.head(at(host), "v1", until)).toMatchObject({ digest });
    expect(paused).toEqual([42_000]);
  });

  test("at a date is asked at that date", async () => {
    // The client's clock says 2026-01-01.
    const { host } = await localServer(inTurn(later(429, "Thu, 01 Jan 2026 00:00:30 GMT"), manifest));
    const { registry, paused } = opened();
    expect(await registry.head(at(host), "v1", until)).toMatchObject({ digest });
    expect(paused).toEqual([30_000]);
  });

  test("and does not say when is asked after growing pauses, and then no more", async () => {
    const { host, asked } = await localServer(answer(429));
    const { registry, paused } = opened();
    const done = registry.head(at(host), "v1", until);
    await expect(done).rejects.toMatchObject({ code: "rate-limited", retryAfter: undefined });
    await expect(done).rejects.toThrow("status 429: the registry wants fewer requests; try again later");
    expect(asked).toHaveLength(4);
    expect(paused).toEqual([5_000, 15_000, 45_000]);
  });

  test("again and again is not waited for longer than five minutes in all", async () => {
    const { host, asked } = await localServer(later(429, "200"));
    const { registry, paused } = opened();
    const done = registry.head(at(host), "v1", until);
    await expect(done).rejects.toMatchObject({ code: "rate-limited", retryAfter: 200 });
    expect(asked).toHaveLength(2);
    expect(paused).toEqual([200_000]);
  });

  test("in an hour is not waited for, and nothing else is sent to it before", async () => {
    const { host, asked } = await localServer(inTurn(later(429, "3600"), manifest));
    const { registry, paused, pass } = opened();
    await expect(registry.head(at(host), "v1", until)).rejects.toMatchObject({
      code: "rate-limited",
      retryAfter: 3600,
      message: `HEAD http://${host}/v2/team/ledger/manifests/v1: status 429: the registry wants fewer requests; try again in 3600 seconds`,
    });
    pass(600_000);
    await expect(registry.head(at(host, "team/other"), "v1", until)).rejects.toMatchObject({
      code: "rate-limited",
      retryAfter: 3000,
      message: `HEAD http://${host}/v2/team/other/manifests/v1: not sent: the registry wants fewer requests; try again in 3000 seconds`,
    });
    expect(asked).toHaveLength(1);
    pass(3_000_000);
    expect(await registry.head(at(host), "v1", until)).toMatchObject({ digest });
    expect(paused).toEqual([]);
  });

  test("holds back no other registry", async () => {
    const limited = await localServer(later(429, "3600"));
    const other = await localServer(manifest);
    const { registry } = opened();
    await expect(registry.head(at(limited.host), "v1", until)).rejects.toMatchObject({
      code: "rate-limited",
    });
    expect(await registry.head(at(other.host), "v1", until)).toMatchObject({ digest });
  });

  test("holds back what was already waiting for its turn", async () => {
    const { host, asked } = await localServer(inTurn(later(429, "3600"), manifest));
    const { registry } = opened({ concurrency: 1 });
    const both = ["v1", "v2"].map((tag) => registry.head(at(host), tag, until));
    for (const each of await Promise.allSettled(both))
      expect(each).toMatchObject({ status: "rejected", reason: { code: "rate-limited" } });
    expect(asked).toHaveLength(1);
  });

  test("is given up when the deadline comes before", async () => {
    const { host, asked } = await localServer(later(429, "60"));
    const deadline = new AbortController();
    const { registry } = opened({
      pause: async (_, signal) => {
        deadline.abort();
        signal.throwIfAborted();
      },
    });
    const done = registry.head(at(host), "v1", { signal: deadline.signal });
    await expect(done).rejects.toMatchObject({ code: "rate-limited", retryAfter: 60 });
    expect(asked).toHaveLength(1);
  });
});

test.for([
  { concurrency: undefined, most: 4 },
  { concurrency: 2, most: 2 },
])("no more requests are under way for one registry than $most", async ({ concurrency, most }) => {
  let under = 0;
  let reached = 0;
  const { host, asked } = await localServer((request, response) => {
    reached = Math.max(reached, ++under);
    // Others that may come have come by then.
    setTimeout(() => {
      under--;
      manifest(request, response);
    }, 20);
  });
  const { registry } = opened(concurrency === undefined ? {} : { concurrency });
  await Promise.all(Array.from({ length: 12 }, (_, i) => registry.head(at(host), `v${i}`, until)));
  expect(reached).toBe(most);
  expect(asked).toHaveLength(12);
});

// SPDX-License-Identifier: Apache-2.0
import type { RequestListener } from "node:http";
import { describe, expect, test } from "vitest";
import { fetchMirrorFile, type MirrorFile } from "../../../src/courier/server/mirror-file.ts";
import { trustTestServers } from "../trusted-tls.ts";
import { closedPort, inTurn, localServer, within } from "../local-server.ts";

const answer =
  (status: number, headers: Record<string, string> = {}, body: string | Buffer = ""): RequestListener =>
  (_, response) => {
    response.writeHead(status, headers);
    response.end(body);
  };
const bytes = Buffer.from([0, 1, 0xff, 0x0a]);
const fetched = (mirror: string, more: Partial<MirrorFile> = {}, ms = 5_000) =>
  fetchMirrorFile({ mirror, path: "targets/trusted_root.json", maxBytes: 1_000, ...more }, within(ms));

describe("a file comes byte for byte", () => {
  test("from below the mirror's path, and nothing is told about us", async () => {
    const { url, asked, headers } = await localServer(answer(200, {}, bytes));
    expect(await fetched(`${url.href}tuf`)).toEqual(bytes);
    expect(await fetched(`${url.href}tuf/`, { path: "1.root.json" })).toEqual(bytes);
    expect(asked).toEqual(["GET /tuf/targets/trusted_root.json", "GET /tuf/1.root.json"]);
    expect(headers[0]).not.toHaveProperty("authorization");
    expect(headers[0]).not.toHaveProperty("cookie");
  });

  test("over TLS", async () => {
    trustTestServers();
    const { url } = await localServer(answer(200, {}, bytes), { tls: true });
    expect(await fetched(url.href)).toEqual(bytes);
  });

  test("of the largest size", async () => {
    const { url } = await localServer(answer(200, {}, Buffer.alloc(1_000)));
    expect(await fetched(url.href)).toHaveLength(1_000);
  });

  test("from another place of the same mirror", async () => {
    const { url, asked } = await localServer(
      inTurn(answer(302, { location: "/moved" }), answer(200, {}, bytes)),
    );
    expect(await fetched(url.href)).toEqual(bytes);
    expect(asked[1]).toBe("GET /moved");
  });
});

test("a file that is not there is no failure", async () => {
  const { url } = await localServer(answer(404, {}, "not found"));
  expect(await fetched(url.href)).toBeUndefined();
});

describe("no file comes", () => {
  test.for([
    { row: "forbids it", said: answer(403, {}, "no"), code: "refused", text: 'status 403: "no"' },
    { row: "wants a password", said: answer(401), code: "refused", text: "status 401" },
    { row: "fails", said: answer(500, {}, "oops"), code: "unreachable", text: 'status 500: "oops"', ms: 500 },
    { row: "has enough", said: answer(429), code: "unreachable", text: "status 429", ms: 500 },
    { row: "says nothing", said: answer(204), code: "bad-answer", text: "status 204" },
    {
      row: "sends more than was asked for",
      said: answer(200, {}, Buffer.alloc(1_001)),
      code: "bad-answer",
      text: "larger than 1000 bytes",
    },
    {
      row: "redirects to another host",
      said: answer(302, { location: "https://127.0.0.2/evil" }),
      code: "bad-answer",
      text: 'redirects to "127.0.0.2", which is not the mirror that was named',
    },
    {
      row: "redirects to another port",
      said: answer(302, { location: "http://127.0.0.1:1/" }),
      code: "bad-answer",
      text: "not the mirror that was named",
    },
    {
      row: "redirects to a file",
      said: answer(302, { location: "file:///etc/passwd" }),
      code: "bad-answer",
      text: "not the mirror that was named",
    },
    {
      row: "redirects to nothing",
      said: answer(302, { location: "http://[" }),
      code: "bad-answer",
      text: "redirects to what is no URL",
    },
    {
      row: "redirects for ever",
      said: answer(307, { location: "/again" }),
      code: "bad-answer",
      text: "redirects more than 3 times",
    },
  ] as const)("when the mirror $row ($code)", async ({ said, code, text, ...more }) => {
    const { url } = await localServer(said);
    const done = fetched(url.href, {}, "ms" in more ? more.ms : 5_000);
    await expect(done).rejects.toMatchObject({ code });
    await expect(done).rejects.toThrow(text);
  });

  test("when nobody listens", async () => {
    const { href } = await closedPort();
    await expect(fetched(href, {}, 300)).rejects.toMatchObject({ name: "HttpError" });
  });

  test.for([
    {
      row: "plain http elsewhere",
      mirror: "http://mirror.example/tuf",
      why: "it is not https, and plain http",
    },
    {
      row: "plain http to what only looks like here",
      mirror: "http://127.0.0.1.example/",
      why: "is not https",
    },
    { row: "another protocol", mirror: "file:///etc", why: "is not https" },
    { row: "credentials", mirror: "https://me:hunter2@mirror.example", why: "has credentials in it" },
    { row: "a query", mirror: "https://mirror.example/?hunter2", why: "is not of the form" },
    { row: "nothing", mirror: "hunter2", why: "is not a URL" },
  ])("of a mirror with $row", async ({ mirror, why }) => {
    const done = fetched(mirror);
    await expect(done).rejects.toMatchObject({ code: "refused" });
    await expect(done).rejects.toThrow(why);
    await expect(done).rejects.not.toThrow(/hunter2/);
  });

  test("over plain http from elsewhere, unless that is allowed", async () => {
    const plain = { plainHttp: true };
    const done = fetchMirrorFile(
      { mirror: "http://mirror.invalid", path: "root.json", maxBytes: 1, ...plain },
      AbortSignal.abort(),
    );
    await expect(done).rejects.toThrow("GET http://mirror.invalid/root.json: no answer in time");
  });

  test.for([
    "../../root.json",
    "a/../b",
    "/etc/passwd",
    "a//b",
    ".hidden",
    "a/.",
    "a\\b",
    "a?b",
    "a#b",
    "a%2e",
    "",
  ])("of the name %j", async (path) => {
    const { url, asked } = await localServer(answer(200));
    await expect(fetched(url.href, { path })).rejects.toMatchObject({ name: "Failure", code: "refused" });
    expect(asked).toEqual([]);
  });
});

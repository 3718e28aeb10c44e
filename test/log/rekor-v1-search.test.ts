// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { logUrl, type AskLog } from "../../src/log/json-api.ts";
import { findUuids } from "../../src/log/rekor-v1.ts";
import { json, logThat } from "./answering-log.ts";

const log = logUrl("https://log.example.org/rekor");
const { signal } = new AbortController();
const hash = `sha256:${"ab".repeat(32)}`;
const uuid = (n: number) => `24296fb24b8ad77a${n.toString(16).padStart(64, "0")}`;
const uuids = (count: number) => Array.from({ length: count }, (_, n) => uuid(n));
const identity = "https://github.com/Acme/app/.github/workflows/build.yml@refs/heads/main";
const find = (ask: AskLog, more: { identity?: string } = {}) =>
  findUuids(ask, { log, hash, max: 10_000, signal, ...more });

describe("finding UUIDs", () => {
  test("asks the log's index below the path of its URL", async () => {
    const { ask, asked } = logThat(() => json([uuid(1), "0".repeat(64)]));
    expect(await find(ask)).toEqual([uuid(1), "0".repeat(64)]);
    expect(asked[0]).toMatchObject({ method: "POST", body: JSON.stringify({ hash }) });
    expect(asked[0]?.url.href).toBe("https://log.example.org/rekor/api/v1/index/retrieve");
  });

  test("gives each UUID once", async () => {
    const { ask } = logThat(() => json([uuid(1), uuid(2), uuid(1)]));
    expect(await find(ask)).toEqual([uuid(1), uuid(2)]);
  });

  test("takes as many as the limit", async () => {
    const { ask } = logThat(() => json(uuids(10_000)));
    expect(await find(ask)).toHaveLength(10_000);
  });

  test.for([
    {
      row: "one more than the limit",
      said: json(uuids(10_001)),
      code: "bad-answer",
      text: "lists 10001 entries",
    },
    {
      row: "HTML",
      said: { type: "text/html", body: "<html>Hi" },
      code: "bad-answer",
      text: '"text/html", "<html>Hi"',
    },
    { row: "JSON cut off", said: { body: `["${uuid(1)}"` }, code: "bad-answer", text: "is not JSON" },
    { row: "nothing", said: { body: "" }, code: "bad-answer", text: "no body" },
    {
      row: "what is not UTF-8",
      said: { body: Buffer.from([0x22, 0xff, 0x22]) },
      code: "bad-answer",
      text: "is not JSON",
    },
    { row: "null", said: json(null), code: "bad-answer", text: "is not a list of entry UUIDs" },
    { row: "an object", said: json({ uuids: [] }), code: "bad-answer", text: "is not a list of entry UUIDs" },
    { row: "numbers", said: json([1, 2]), code: "bad-answer", text: "is not a list of entry UUIDs" },
    {
      row: "paths",
      said: json(["../../etc/passwd"]),
      code: "bad-answer",
      text: "is not a list of entry UUIDs",
    },
    { row: "UUIDs in capitals", said: json(["A".repeat(64)]), code: "bad-answer", text: "is not a list" },
    { row: "a redirect", said: { status: 302, body: "" }, code: "bad-answer", text: "status 302" },
    {
      row: "422",
      said: json({ code: 605 }, 422),
      code: "refused",
      text: 'status 422, content type "application/json"',
    },
    { row: "404", said: { status: 404, body: "" }, code: "refused", text: "status 404" },
    { row: "429", said: { status: 429, body: "" }, code: "unreachable", text: "status 429" },
    {
      row: "500",
      said: { status: 500, body: "oops" },
      code: "unreachable",
      text: 'status 500, content type "application/json", "oops"',
    },
  ])("does not take $row for an answer ($code)", async ({ said, code, text }) => {
    const { ask } = logThat(() => said);
    await expect(find(ask)).rejects.toMatchObject({
      name: "LogError",
      code,
      message: expect.stringMatching(
        /^POST https:\/\/log\.example\.org\/rekor\/api\/v1\/index\/retrieve: /,
      ) as string,
    });
    await expect(find(ask)).rejects.toThrow(text);
  });

  test("quotes an answer without what would change a terminal", async () => {
    const { ask } = logThat(() => ({
      type: "text/\u001B[31mred",
      body: "\u001B]0;owned\u0007\r\n\u202Ecod.exe",
    }));
    await expect(find(ask)).rejects.toThrow('content type "text/?[31mred", "?]0;owned? ?cod.exe"');
  });

  test("lets what the connection says through", async () => {
    const down = new Error("down");
    await expect(find(() => Promise.reject(down))).rejects.toBe(down);
  });
});

describe("for one identity", () => {
  const narrow = JSON.stringify({ hash, subject: identity, operator: "and" });
  const plain = JSON.stringify({ hash });

  test("the log is asked for its entries alone", async () => {
    const { ask, asked } = logThat(() => json([uuid(1)]));
    expect(await find(ask, { identity })).toEqual([uuid(1)]);
    expect(asked.map(({ body }) => body)).toEqual([narrow]);
  });

  test("none is an answer, and nothing else is asked", async () => {
    const { ask, asked } = logThat(() => json([]));
    expect(await find(ask, { identity })).toEqual([]);
    expect(asked).toHaveLength(1);
  });

  test.for([
    { row: "does not know the property", status: 422, code: 605 },
    { row: "does not take the request", status: 400, code: 400 },
  ])("a log that $row ($status) is asked for all", async ({ status, code }) => {
    const { ask, asked } = logThat(({ body }) => (body === plain ? json(uuids(3)) : json({ code }, status)));
    expect(await find(ask, { identity })).toEqual(uuids(3));
    expect(asked.map(({ body }) => body)).toEqual([narrow, plain]);
  });

  test.for([
    { row: "a name that is longer than an index takes", other: `https://acme.example/${"x".repeat(512)}` },
    { row: "an empty name", other: "" },
  ])("$row is not sent", async ({ other }) => {
    const { ask, asked } = logThat(() => json([uuid(1)]));
    expect(await find(ask, { identity: other })).toEqual([uuid(1)]);
    expect(asked.map(({ body }) => body)).toEqual([plain]);
  });

  test.for([
    { row: "has no such search at all", status: 404, code: "refused" },
    { row: "has enough", status: 429, code: "unreachable" },
    { row: "fails", status: 500, code: "unreachable" },
  ])("a log that $row ($status) is not asked for more", async ({ status, code }) => {
    const { ask, asked } = logThat(() => json({}, status));
    await expect(find(ask, { identity })).rejects.toMatchObject({ code, status });
    expect(asked).toHaveLength(1);
  });

  test("what a log that refuses both says last is told", async () => {
    const { ask } = logThat(({ body }) => json({ message: body === plain ? "no hash" : "no subject" }, 422));
    await expect(find(ask, { identity })).rejects.toThrow("no hash");
  });
});

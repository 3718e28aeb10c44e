// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { logUrl, type AskLog, type LogRequest } from "../../src/log/json-api.ts";
import {
  MAX_ENTRY_BYTES,
  readEntry,
  retrieveEntries,
  sameLeaf,
  TOO_LARGE,
  type RawEntry,
} from "../../src/log/rekor-v1.ts";
import { json, logThat, type Said } from "./answering-log.ts";

const log = logUrl("https://log.example.org/rekor");
const { signal } = new AbortController();
const uuid = (n: number) => `24296fb24b8ad77a${n.toString(16).padStart(64, "0")}`;
const uuids = (count: number) => Array.from({ length: count }, (_, n) => uuid(n));

const askedUuids = ({ body = "" }: LogRequest) => (JSON.parse(body) as { entryUUIDs: string[] }).entryUUIDs;
const isBatch = ({ url }: LogRequest) => url.pathname.endsWith("/retrieve");
const lastPart = ({ url }: LogRequest) => url.pathname.split("/").at(-1) ?? "";

/** What a log that has everything answers to batches and single reads. */
const everything = (request: LogRequest): Said =>
  isBatch(request)
    ? json(askedUuids(request).map((one) => ({ [one]: { body: one } })))
    : json({ [lastPart(request)]: { body: lastPart(request) } });

async function all(ask: AskLog, wanted: readonly string[]): Promise<RawEntry[]> {
  const entries: RawEntry[] = [];
  await retrieveEntries(ask, { log, uuids: wanted, signal }, (some) => void entries.push(...some));
  return entries.toSorted((one, other) => (one.uuid < other.uuid ? -1 : 1));
}

const size = (one: string) => (one === uuid(1) ? 10 * MAX_ENTRY_BYTES + 64 * 1024 : 10);

describe("retrieving entries", () => {
  test("asks in batches of ten and brings each entry once", async () => {
    const { ask, asked } = logThat(everything);
    const entries = await all(ask, uuids(25));
    expect(entries).toEqual(uuids(25).map((one) => ({ uuid: one, entry: { body: one } })));
    expect(asked.map((request) => askedUuids(request).length)).toEqual([10, 10, 5]);
  });

  test("asks nothing when there is nothing to retrieve", async () => {
    const { ask, asked } = logThat(everything);
    expect(await all(ask, [])).toEqual([]);
    expect(asked).toEqual([]);
  });

  test("gives the log's full UUID for one without tree id", async () => {
    const { ask } = logThat(() => json([{ [uuid(7)]: {} }]));
    expect(await all(ask, [uuid(7).slice(16)])).toEqual([{ uuid: uuid(7), entry: {} }]);
  });

  test("reads one by one when the log fails for the batch", async () => {
    const { ask, asked } = logThat((request) => (isBatch(request) ? json({}, 500) : everything(request)));
    expect(await all(ask, uuids(3))).toHaveLength(3);
    expect(asked.map(({ method }) => method)).toEqual(["POST", "GET", "GET", "GET"]);
  });

  test("reads one by one when a batch is too large, and only the large one comes without content", async () => {
    const { ask } = logThat((request) => {
      return isBatch(request)
        ? json(askedUuids(request).map((one) => ({ [one]: "x".repeat(size(one)) })))
        : json({ [lastPart(request)]: "x".repeat(size(lastPart(request))) });
    });
    const entries = await all(ask, uuids(3));
    expect(entries.map(({ entry }) => entry)).toEqual(["x".repeat(10), TOO_LARGE, "x".repeat(10)]);
  });

  test("asks once more for what a batch leaves out, which comes without content when there is none", async () => {
    const { ask } = logThat((request) => {
      if (isBatch(request)) return json([]);
      return lastPart(request) === uuid(0) ? everything(request) : { status: 404, body: "" };
    });
    expect(await all(ask, uuids(2))).toEqual([
      { uuid: uuid(0), entry: { body: uuid(0) } },
      { uuid: uuid(1), entry: null },
    ]);
  });

  test("takes the first of two answers for one entry", async () => {
    const { ask } = logThat(() => json([{ [uuid(0)]: "first" }, { [uuid(0)]: "second" }]));
    expect(await all(ask, uuids(1))).toEqual([{ uuid: uuid(0), entry: "first" }]);
  });

  test.for([
    { row: "all entries fail on their own too", said: json({}, 503), code: "unreachable" },
    { row: "one entry is HTML", said: { type: "text/html", body: "<p>" }, code: "bad-answer" },
    { row: "one entry is two", said: json({ [uuid(0)]: 1, [uuid(1)]: 2 }), code: "bad-answer" },
    { row: "one entry is another", said: json({ [uuid(9)]: 1 }), code: "bad-answer" },
  ])("fails as a whole when $row ($code)", async ({ said, code }) => {
    const { ask } = logThat((request) => (isBatch(request) ? json({}, 500) : said));
    await expect(all(ask, uuids(1))).rejects.toMatchObject({ name: "LogError", code });
  });

  /** A log that fails at these entries for ever, each time. */
  const failingAt = (isFailing: (one: string) => boolean) =>
    logThat((request) =>
      (isBatch(request) ? askedUuids(request) : [lastPart(request)]).some(isFailing)
        ? json({}, 500)
        : everything(request),
    );

  test("an entry that the log fails at for ever comes without content, beside all others", async () => {
    const { ask } = failingAt((one) => one === uuid(3));
    const entries = await all(ask, uuids(12));
    expect(entries.filter(({ entry }) => entry === null)).toEqual([{ uuid: uuid(3), entry: null }]);
    expect(entries.filter(({ entry }) => entry !== null)).toHaveLength(11);
  });

  test("a hundred of them are no outage, and one more is", async () => {
    const failures = (count: number) => failingAt((one) => uuids(count).includes(one));
    expect(await all(failures(100).ask, uuids(120))).toHaveLength(120);
    await expect(all(failures(101).ask, uuids(120))).rejects.toMatchObject({
      name: "LogError",
      code: "unreachable",
    });
  });

  test.for([
    { row: "an entry nobody asked for", said: json([{ [uuid(77)]: {} }]), text: "was not asked for" },
    { row: "a map instead of a list", said: json({ [uuid(0)]: {} }), text: "is not a list of entries" },
    { row: "entries under no UUID", said: json([{ __proto__x: {} }]), text: "is not a list of entries" },
  ])("does not take $row for an answer", async ({ said, text }) => {
    const { ask } = logThat(() => said);
    await expect(all(ask, uuids(1))).rejects.toMatchObject({
      code: "bad-answer",
      message: expect.stringContaining(text) as string,
    });
  });

  test("brings nothing more after a failure, and stops what is under way", async () => {
    const signals: AbortSignal[] = [];
    const ask: AskLog = async (request) => {
      signals.push(request.signal);
      if (askedUuids(request)[0] === uuid(0)) return { status: 404, headers: {}, bytes: Buffer.from("") };
      await new Promise<void>((resolve) => request.signal.addEventListener("abort", () => resolve()));
      const { body } = everything(request);
      return { status: 200, headers: {}, bytes: Buffer.from(body) };
    };
    const taken: RawEntry[] = [];
    const done = retrieveEntries(ask, { log, uuids: uuids(100), signal }, (some) => void taken.push(...some));
    await expect(done).rejects.toMatchObject({ code: "refused" });
    expect(taken).toEqual([]);
    expect(signals).toHaveLength(8);
  });
});

describe("reading one entry", () => {
  test("by its UUID", async () => {
    const { ask, asked } = logThat(everything);
    expect(await readEntry(ask, { log, uuid: uuid(3), signal })).toEqual({
      uuid: uuid(3),
      entry: { body: uuid(3) },
    });
    expect(asked[0]?.url.pathname).toBe(`/rekor/api/v1/log/entries/${uuid(3)}`);
  });

  test("that is not there gives undefined", async () => {
    const { ask } = logThat(() => ({ status: 404, body: "" }));
    expect(await readEntry(ask, { log, uuid: uuid(3), signal })).toBeUndefined();
  });
});

describe("a log's URL", () => {
  test.for([
    ["https://log.example.org", "https://log.example.org/"],
    ["https://log.example.org/a/b", "https://log.example.org/a/b/"],
    ["http://127.0.0.1:3000/", "http://127.0.0.1:3000/"],
  ] as const)("%s is read as %s", ([text, href]) => {
    expect(logUrl(text).href).toBe(href);
  });

  test.for([
    ["https://user:hunter2@log.example.org", 'host "log.example.org" has credentials in it'],
    ["https://log.example.org?token=hunter2", "is not of the form"],
    ["https://log.example.org#hunter2", "is not of the form"],
    ["ftp://log.example.org/hunter2", "is not of the form"],
    ["hunter2", "is not of the form"],
  ] as const)("%s is refused without showing what is in it", ([text, why]) => {
    expect(() => logUrl(text)).toThrow(expect.objectContaining({ code: "refused" }));
    expect(() => logUrl(text)).toThrow(why);
    expect(() => logUrl(text)).not.toThrow(/hunter2/);
  });
});

test("two UUIDs name the same leaf also when one lacks the tree, but not in two trees", () => {
  expect(sameLeaf(uuid(1), uuid(1).slice(16))).toBe(true);
  expect(sameLeaf(uuid(1), uuid(1))).toBe(true);
  expect(sameLeaf(uuid(1), uuid(2))).toBe(false);
  expect(sameLeaf(uuid(1), `00000000${uuid(1).slice(8)}`)).toBe(false);
});

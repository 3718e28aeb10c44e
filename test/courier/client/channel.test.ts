// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { CourierChannel, type CourierPipe } from "../../../src/courier/client/channel.ts";
import {
  MAX_BUNDLE_LENGTH,
  MAX_FILE_BYTES,
  MAX_LINE_BYTES,
  MAX_MANIFEST_BYTES,
} from "../../../src/courier/protocol.ts";
import { within } from "../local-server.ts";

const uuid = (n: number) => n.toString(16).padStart(64, "0");
const what = { log: "https://log.example.org", hash: `sha256:${"ab".repeat(32)}` };
const tag = { registry: "docker.io", repository: "library/alpine", tag: "3.16.0", plainHttp: false };
const blob = {
  registry: "docker.io",
  repository: "library/alpine",
  digest: `sha256:${"ab".repeat(32)}`,
  plainHttp: false,
  maxBytes: 1_000,
};
const file = { mirror: "https://tuf.example.org", path: "1.root.json", maxBytes: 1_000 };
const recording = (api: 1 | 2) => ({
  log: { url: what.log, api },
  fulcio: "https://fulcio.example.org",
  timestamps: ["https://tsa.example.org/ts"],
  statement: Buffer.from("{}"),
});
const signal = new AbortController().signal;
const NOTHING = { entries: [], dropped: new Map() };

/** A courier whose lines the test says itself. */
interface PuppetCourier {
  readonly pipe: CourierPipe;
  /** What it was told, parsed. */
  readonly told: unknown[];
  readonly closed: () => number;
  say(line: unknown): void;
  sayText(text: string): void;
  end(error?: Error): void;
}

function puppet(options: { readonly write?: () => void | Promise<void> } = {}): PuppetCourier {
  const told: unknown[] = [];
  const lines = new TransformStream<string, string>(undefined, undefined, { highWaterMark: 1_000_000 });
  const writer = lines.writable.getWriter();
  let closed = 0;
  const sayText = (text: string) => void writer.write(text).catch(() => undefined);
  return {
    told,
    closed: () => closed,
    sayText,
    say: (line) => sayText(JSON.stringify(line)),
    end: (error) => void (error ? writer.abort(error) : writer.close()).catch(() => undefined),
    pipe: {
      write(line) {
        told.push(JSON.parse(line));
        expect(line.endsWith("\n")).toBe(true);
        return options.write?.();
      },
      close: () => void closed++,
      lines: lines.readable,
    },
  };
}

function opened(): PuppetCourier & { readonly channel: CourierChannel } {
  const courier = puppet();
  const channel = new CourierChannel(courier.pipe);
  courier.say({ say: "ready" });
  return { ...courier, channel };
}

describe("a request is answered", () => {
  test("by the courier's first line: who could sign", async () => {
    const courier = puppet();
    const channel = new CourierChannel(courier.pipe);
    courier.say({ say: "ready", publicKey: "PEM\nPEM", signerProblem: "code: te\u001Bxt" });
    expect(await channel.ready({ signal })).toEqual({ publicKey: "PEM\nPEM", signerProblem: "code: te?xt" });
    expect(await channel.ready({ signal })).toEqual(await channel.ready({ signal }));
  });

  test("by the courier's first line: whom an identity token names", async () => {
    const courier = puppet();
    const channel = new CourierChannel(courier.pipe);
    const identity = { issuer: "https://issuer.example", identity: "ci@acme.example" };
    courier.say({ say: "ready", identity });
    expect(await channel.ready({ signal })).toEqual({ identity });
  });

  test("with all entries, in the order in which they come", async () => {
    const { channel, told, say } = opened();
    const found = channel.find({ ...what, including: uuid(9) }, { signal });
    say({
      say: "entries",
      id: 1,
      entries: [
        { uuid: uuid(1), entry: { a: 1 } },
        { uuid: uuid(2), entry: null },
      ],
    });
    say({ say: "entries", id: 1, entries: [{ uuid: uuid(9), entry: 3 }] });
    say({ say: "found", id: 1, dropped: [["untrusted-signer", 50_000]] });
    expect(await found).toEqual({
      entries: [
        { uuid: uuid(1), entry: { a: 1 } },
        { uuid: uuid(2), entry: null },
        { uuid: uuid(9), entry: 3 },
      ],
      dropped: new Map([["untrusted-signer", 50_000]]),
    });
    expect(told).toEqual([{ id: 1, ask: "find", ...what, including: uuid(9) }]);
  });

  test("with a manifest's bytes, the largest too", async () => {
    const { channel, told, say } = opened();
    const bytes = Buffer.alloc(MAX_MANIFEST_BYTES, 0xfb);
    const manifest = channel.manifest(tag, { signal });
    say({ say: "manifest", id: 1, bytes: bytes.toString("base64"), mediaType: "a/b" });
    expect(await manifest).toEqual({ bytes, mediaType: "a/b" });
    expect(told).toEqual([{ id: 1, ask: "manifest", ...tag }]);
  });

  test("with the digest that a tag names instead of the one that it was to name", async () => {
    const { channel, told, say } = opened();
    const [wanted, named] = [`sha256:${"ab".repeat(32)}`, `sha256:${"cd".repeat(32)}`];
    const manifest = channel.manifest({ ...tag, digest: wanted, public: true }, { signal });
    say({ say: "names", id: 1, digest: named });
    expect(await manifest).toEqual({ digest: named });
    expect(told).toEqual([{ id: 1, ask: "manifest", ...tag, digest: wanted, public: true }]);
  });

  test("with when to ask again", async () => {
    const { channel, say } = opened();
    const manifest = channel.manifest(tag, { signal });
    say({ say: "failed", id: 1, code: "rate-limited", message: "status 429", retryAfter: 9 });
    await expect(manifest).rejects.toMatchObject({ code: "rate-limited", retryAfter: 9 });
  });

  test("with the UUID of a record", async () => {
    const { channel, told, say } = opened();
    const recorded = channel.record(recording(1), { signal });
    say({ say: "recorded", id: 1, uuid: uuid(5) });
    expect(await recorded).toEqual({ uuid: uuid(5) });
    expect(told).toEqual([{ id: 1, ask: "record", ...recording(1), statement: "e30=" }]);
  });

  test("with the bundle of a record that its log does not keep", async () => {
    const { channel, told, say } = opened();
    const { log, timestamps, statement } = recording(2);
    const recorded = channel.record({ log, timestamps, statement }, { signal });
    say({ say: "bundle", id: 1, bundle: '{"a":[1]}' });
    expect(await recorded).toEqual({ bundle: { a: [1] } });
    expect(told).toEqual([{ id: 1, ask: "record", log, timestamps, statement: "e30=" }]);
  });

  test.for([
    { row: "a file's bytes", bytes: "e30=", want: Buffer.from("{}") },
    { row: "an empty file", bytes: "", want: Buffer.alloc(0) },
    { row: "no file where there is none", bytes: null, want: undefined },
  ])("with $row", async ({ bytes, want }) => {
    const { channel, told, say } = opened();
    const got = channel.file(file, { signal });
    say({ say: "file", id: 1, bytes });
    expect(await got).toEqual(want);
    expect(told).toEqual([{ id: 1, ask: "file", ...file }]);
  });

  test("with a blob's bytes", async () => {
    const { channel, told, say } = opened();
    const got = channel.blob(blob, { signal });
    say({ say: "blob", id: 1, bytes: "e30=" });
    expect(await got).toEqual(Buffer.from("{}"));
    expect(told).toEqual([{ id: 1, ask: "blob", ...blob }]);
  });

  test("whatever the order of answers", async () => {
    const { channel, say } = opened();
    const one = channel.find(what, { signal });
    const two = channel.record(recording(1), { signal });
    say({ say: "recorded", id: 2, uuid: uuid(5) });
    say({ say: "entries", id: 1, entries: [] });
    say({ say: "found", id: 1 });
    expect(await Promise.all([one, two])).toEqual([NOTHING, { uuid: uuid(5) }]);
  });

  test.for(["unreachable", "refused", "bad-answer", "not-found", "needs-credentials", "no-signer"])(
    "with the failure %s and its text, without what would change a terminal",
    async (code) => {
      const { channel, say } = opened();
      const manifest = channel.manifest(tag, { signal });
      say({ say: "failed", id: 1, code, message: "GET https://x: \u001B[2Jgone\nfor good" });
      await expect(manifest).rejects.toMatchObject({
        name: "CourierError",
        code,
        message: "GET https://x: ?[2Jgone for good",
      });
    },
  );

  test("while another one fails", async () => {
    const { channel, say } = opened();
    const one = channel.find(what, { signal });
    const two = channel.find(what, { signal });
    say({ say: "failed", id: 1, code: "unreachable", message: "down" });
    say({ say: "found", id: 2 });
    await expect(one).rejects.toMatchObject({ code: "unreachable" });
    expect(await two).toEqual(NOTHING);
  });
});

describe("after its deadline a request", () => {
  test("fails, and what comes later disturbs nobody", async () => {
    const { channel, say } = opened();
    const slow = channel.find(what, { signal: within(50) });
    await expect(slow).rejects.toMatchObject({
      code: "unreachable",
      message: "the courier did not answer in time (find)",
    });
    const other = channel.find(what, { signal });
    say({ say: "entries", id: 1, entries: [{ uuid: uuid(1), entry: 1 }] });
    say({ say: "found", id: 1 });
    say({ say: "found", id: 2 });
    expect(await other).toEqual(NOTHING);
  });

  test("fails at once when the deadline was over before", async () => {
    const { channel } = opened();
    await expect(channel.find(what, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "unreachable",
    });
  });

  test("fails also when it is for the first line", async () => {
    const channel = new CourierChannel(puppet().pipe);
    await expect(channel.ready({ signal: within(50) })).rejects.toMatchObject({
      message: "the courier did not answer in time (start)",
    });
  });
});

describe("the channel breaks for all, and the courier is ended", () => {
  const found = { say: "found", id: 1 };
  const entries = (count: number, entry: unknown = 1) => ({
    say: "entries",
    id: 1,
    entries: Array.from({ length: count }, (_, n) => ({ uuid: uuid(n), entry })),
  });

  const askFor = (channel: CourierChannel, ask: string): Promise<unknown> => {
    switch (ask) {
      case "manifest":
        return channel.manifest(tag, { signal });
      case "file":
        return channel.file(file, { signal });
      case "blob":
        return channel.blob(blob, { signal });
      default:
        return channel.record(recording(ask === "record 1" ? 1 : 2), { signal });
    }
  };

  test.for<{ row: string; lines: readonly unknown[]; ask?: string; text: string }>([
    { row: "garbage", lines: ["\u001B[31mgarbage"], text: 'said something that is not JSON: "?[31mgarbage"' },
    { row: "half a line", lines: ['{"say":"fou'], text: "is not JSON" },
    { row: "an empty line", lines: [""], text: "is not JSON" },
    { row: "a number", lines: [7], text: "said something that is no answer" },
    { row: "an unknown word", lines: [{ say: "trust me", id: 1 }], text: "is no answer (say)" },
    { row: "no id", lines: [{ say: "found" }], text: "is no answer (id)" },
    { row: "a text as id", lines: [{ say: "found", id: "1" }], text: "is no answer (id)" },
    {
      row: "an id nobody used",
      lines: [{ say: "found", id: 3 }],
      text: "answered request 3, which is not open",
    },
    {
      row: "a second answer",
      lines: [
        { say: "found", id: 2 },
        { say: "found", id: 2 },
      ],
      text: "answered request 2, which",
    },
    {
      row: "entries after the answer",
      lines: [
        { say: "found", id: 2 },
        { ...entries(1), id: 2 },
      ],
      text: "answered request 2",
    },
    {
      row: "another answer than asked for",
      lines: [{ say: "recorded", id: 1, uuid: uuid(1) }],
      text: "said recorded where found was due",
    },
    {
      row: "entries instead of a manifest",
      lines: [{ ...entries(1), id: 3 }],
      ask: "manifest",
      text: "said entries where manifest was due",
    },
    {
      row: "a bundle where the UUID of a v1 log was due",
      lines: [{ say: "bundle", id: 3, bundle: "{}" }],
      ask: "record 1",
      text: "said bundle where recorded was due",
    },
    {
      row: "a UUID where the bundle of a v2 log was due",
      lines: [{ say: "recorded", id: 3, uuid: uuid(1) }],
      ask: "record 2",
      text: "said recorded where bundle was due",
    },
    {
      row: "a bundle that is not JSON",
      lines: [{ say: "bundle", id: 3, bundle: "{" }],
      ask: "record 2",
      text: "said a bundle that is not JSON",
    },
    {
      row: "a bundle that is no text",
      lines: [{ say: "bundle", id: 3, bundle: {} }],
      ask: "record 2",
      text: "is no answer (bundle)",
    },
    {
      row: "a bundle over its limit",
      lines: [{ say: "bundle", id: 3, bundle: `"${"a".repeat(MAX_BUNDLE_LENGTH)}"` }],
      ask: "record 2",
      text: "is no answer (bundle)",
    },
    {
      row: "a file of more bytes than were asked for",
      lines: [{ say: "file", id: 3, bytes: Buffer.alloc(1_001).toString("base64") }],
      ask: "file",
      text: "brought a file of 1001 bytes where at most 1000 were asked for",
    },
    {
      row: "a file over the limit of all",
      lines: [{ say: "file", id: 3, bytes: "A".repeat(4 * Math.ceil((MAX_FILE_BYTES + 3) / 3)) }],
      ask: "file",
      text: "is no answer (bytes)",
    },
    {
      row: "a blob of more bytes than were asked for",
      lines: [{ say: "blob", id: 3, bytes: Buffer.alloc(1_001).toString("base64") }],
      ask: "blob",
      text: "brought a blob of 1001 bytes where at most 1000 were asked for",
    },
    {
      row: "a digest where none was to be named",
      lines: [{ say: "names", id: 3, digest: `sha256:${"ab".repeat(32)}` }],
      ask: "manifest",
      text: "said names where manifest was due",
    },
    { row: "ready twice", lines: [{ say: "ready" }], text: "said ready twice" },
    {
      row: "an unknown failure",
      lines: [{ say: "failed", id: 1, code: "tired", message: "" }],
      text: "is no answer (code)",
    },
    {
      row: "a failure without text",
      lines: [{ say: "failed", id: 1, code: "refused" }],
      text: "is no answer (message)",
    },
    {
      row: "a UUID that is a path",
      lines: [{ say: "entries", id: 1, entries: [{ uuid: "../x", entry: 1 }] }],
      text: "is no answer (entries.0.uuid)",
    },
    {
      row: "entries in a map",
      lines: [{ say: "entries", id: 1, entries: {} }],
      text: "is no answer (entries)",
    },
    {
      row: "a manifest that is not base64",
      lines: [{ say: "manifest", id: 3, bytes: "a", mediaType: "x" }],
      ask: "manifest",
      text: "is no answer (bytes)",
    },
    {
      row: "a manifest over its limit",
      lines: [{ say: "manifest", id: 3, bytes: "A".repeat(MAX_MANIFEST_BYTES * 1.4), mediaType: "x" }],
      ask: "manifest",
      text: "is no answer (bytes)",
    },
    {
      row: "a line over the limit",
      lines: ["a".repeat(MAX_LINE_BYTES + 1)],
      text: "said a line of 8388609 bytes",
    },
    {
      row: "more entries than there may be",
      lines: [entries(2_000), entries(1)],
      text: "brought more than 2000 entries to one search",
    },
    {
      row: "more bytes than there may be",
      lines: Array.from({ length: 5 }, () => entries(1, "a".repeat(4 * 1024 * 1024))),
      text: "brought more than 16777216 bytes of entries to one search",
    },
  ])("after $row", async ({ lines, text, ask }) => {
    const { channel, say, sayText, closed } = opened();
    const pending = [
      channel.find(what, { signal }),
      channel.find(what, { signal }),
      ...(ask === undefined ? [] : [askFor(channel, ask)]),
    ];
    const settled = Promise.allSettled(pending);
    for (const line of lines) {
      if (typeof line === "string") sayText(line);
      else say(line);
    }
    const [first, , third] = await settled;
    const broken = {
      name: "CourierError",
      code: "channel-broken",
      message: expect.stringContaining(text) as string,
    };
    expect(first).toMatchObject({ status: "rejected", reason: broken });
    if (third !== undefined) expect(third).toMatchObject({ status: "rejected", reason: broken });
    expect(closed()).toBe(1);
    await expect(channel.find(what, { signal })).rejects.toMatchObject(broken);
    say(found);
    expect(closed()).toBe(1);
  });

  test("after an answer before ready", async () => {
    const courier = puppet();
    const channel = new CourierChannel(courier.pipe);
    const pending = channel.find(what, { signal });
    courier.say(found);
    await expect(pending).rejects.toThrow("the courier said found before ready");
    await expect(channel.ready({ signal })).rejects.toMatchObject({ code: "channel-broken" });
  });

  test("when it ends", async () => {
    const { channel, end } = opened();
    const pending = channel.find(what, { signal });
    end();
    await expect(pending).rejects.toMatchObject({ code: "channel-broken", message: "the courier ended" });
    expect(await channel.ready({ signal })).toEqual({});
  });

  test("when its lines fail", async () => {
    const { channel, end } = opened();
    const pending = channel.find(what, { signal });
    end(new Error("exit code: 1\u0007"));
    await expect(pending).rejects.toMatchObject({
      code: "channel-broken",
      message: "the courier cannot be understood: exit code: 1?",
    });
  });

  test.for([
    {
      row: "at once",
      write: () => {
        throw new Error("EPIPE");
      },
    },
    { row: "later", write: () => Promise.reject(new Error("EPIPE")) },
  ])("when it takes no more, which the pipe says $row", async ({ write }) => {
    const channel = new CourierChannel(puppet({ write }).pipe);
    await expect(channel.find(what, { signal })).rejects.toMatchObject({
      code: "channel-broken",
      message: "the courier takes no more requests",
    });
  });

  test("when we close it", async () => {
    const { channel, closed } = opened();
    const pending = channel.find(what, { signal });
    channel.close();
    channel.close();
    await expect(pending).rejects.toMatchObject({
      code: "channel-broken",
      message: "the courier was closed",
    });
    expect(closed()).toBe(1);
  });
});

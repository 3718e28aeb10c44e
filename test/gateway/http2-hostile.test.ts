// SPDX-License-Identifier: Apache-2.0
// What our server does with a client that does not keep to HTTP/2, frame by frame.
import { Duplex } from "node:stream";
import { describe, expect, test } from "vitest";
import { Bridge } from "../../src/gateway/bridge.ts";
import { frameOf } from "../../src/gateway/grpc-frame.ts";
import { encodeFields, type Field } from "../../src/gateway/hpack.ts";
import {
  ACK,
  codeName,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  FrameSplitter,
  GOAWAY,
  HEADERS,
  numbersFrame,
  PADDED,
  PING,
  PREFACE,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  settingsFrame,
  WINDOW_UPDATE,
} from "../../src/gateway/http2-frame.ts";
import { type Answer, serveGateway } from "../../src/gateway/server.ts";

/** The stream between both sides: what is written is kept, and read by nobody when `isStuck`. */
class Wire extends Duplex {
  readonly written: Buffer[] = [];
  isStuck = false;

  override _read(): void {}

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.written.push(chunk);
    if (!this.isStuck) done();
  }

  /** Hands these bytes to our side, and lets it do what it does with them. */
  async say(...frames: readonly Buffer[]): Promise<void> {
    this.push(Buffer.concat(frames));
    await settled();
  }

  /** What our side said, such as `GOAWAY PROTOCOL_ERROR` or `RST_STREAM 1 CANCEL`; other frames are left out. */
  get errors(): string[] {
    const errors: string[] = [];
    for (const { type, streamId, payload } of this.frames) {
      if (type === GOAWAY) errors.push(`GOAWAY ${codeName(payload.readUInt32BE(4))}`);
      if (type === RST_STREAM) errors.push(`RST_STREAM ${streamId} ${codeName(payload.readUInt32BE())}`);
    }
    return errors;
  }

  get frames(): { type: number; flags: number; streamId: number; payload: Buffer }[] {
    const frames: ReturnType<Wire["frames"]["slice"]> = [];
    const bytes = Buffer.concat(this.written);
    const start = bytes.subarray(0, PREFACE.length).equals(PREFACE) ? PREFACE.length : 0;
    new FrameSplitter().push(bytes.subarray(start), (type, flags, streamId, payload) => {
      frames.push({ type, flags, streamId, payload });
    });
    return frames;
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

const same: Answer = async (_, request) => request;

/** Our server, to which a client has said how HTTP/2 begins. */
async function server(answer: Answer = same): Promise<Wire> {
  const wire = new Wire();
  wire.on("error", () => undefined);
  serveGateway(wire, answer);
  await wire.say(PREFACE, settingsFrame([]));
  return wire;
}

const REQUEST: readonly Field[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/moby.buildkit.v1.frontend.LLBBridge/Solve"],
];
const BLOCK = encodeFields(REQUEST);
const headers = (streamId: number, flags = END_HEADERS, block: Uint8Array = BLOCK): Buffer =>
  frame(HEADERS, flags, streamId, block);
const data = (streamId: number, bytes: Uint8Array, flags = 0): Buffer => frame(DATA, flags, streamId, bytes);
const MESSAGE = frameOf(Buffer.from("request"));
const call = (streamId: number): Buffer =>
  Buffer.concat([headers(streamId), data(streamId, MESSAGE, END_STREAM)]);
const fields = (...list: Field[]): Buffer => encodeFields([...REQUEST, ...list]);

describe("the connection ends, with the code that says why:", () => {
  const LONG = Buffer.concat(Array.from({ length: 100 }, () => headers(1, 0)));
  test.for<{ row: string; frames: Buffer[]; code: string }>([
    { row: "a frame over 16 KiB", frames: [data(1, Buffer.alloc(16_385))], code: "FRAME_SIZE_ERROR" },
    { row: "DATA on no stream", frames: [data(0, MESSAGE)], code: "PROTOCOL_ERROR" },
    { row: "DATA on a stream that nobody opened", frames: [data(1, MESSAGE)], code: "PROTOCOL_ERROR" },
    { row: "HEADERS on no stream", frames: [headers(0)], code: "PROTOCOL_ERROR" },
    { row: "HEADERS on a stream of the server's", frames: [headers(2)], code: "PROTOCOL_ERROR" },
    {
      row: "PRIORITY on no stream",
      frames: [frame(PRIORITY, 0, 0, Buffer.alloc(5))],
      code: "PROTOCOL_ERROR",
    },
    {
      row: "PRIORITY of four bytes",
      frames: [frame(PRIORITY, 0, 1, Buffer.alloc(4))],
      code: "FRAME_SIZE_ERROR",
    },
    { row: "RST_STREAM on no stream", frames: [numbersFrame(RST_STREAM, 0, 8)], code: "PROTOCOL_ERROR" },
    {
      row: "RST_STREAM on a stream that nobody opened",
      frames: [numbersFrame(RST_STREAM, 1, 8)],
      code: "PROTOCOL_ERROR",
    },
    {
      row: "RST_STREAM of eight bytes",
      frames: [headers(1), numbersFrame(RST_STREAM, 1, 8, 8)],
      code: "FRAME_SIZE_ERROR",
    },
    { row: "SETTINGS on a stream", frames: [frame(SETTINGS, 0, 1, Buffer.alloc(0))], code: "PROTOCOL_ERROR" },
    {
      row: "SETTINGS of seven bytes",
      frames: [frame(SETTINGS, 0, 0, Buffer.alloc(7))],
      code: "FRAME_SIZE_ERROR",
    },
    {
      row: "SETTINGS that are confirmed with something",
      frames: [frame(SETTINGS, ACK, 0, Buffer.alloc(6))],
      code: "FRAME_SIZE_ERROR",
    },
    {
      row: "a window that is too large",
      frames: [settingsFrame([[4, 2 ** 31]])],
      code: "FLOW_CONTROL_ERROR",
    },
    {
      row: "a window that gets too large by SETTINGS",
      frames: [headers(1), numbersFrame(WINDOW_UPDATE, 1, 1), settingsFrame([[4, 2 ** 31 - 1]])],
      code: "FLOW_CONTROL_ERROR",
    },
    { row: "frames that are too small", frames: [settingsFrame([[5, 16_383]])], code: "PROTOCOL_ERROR" },
    { row: "frames that are too large", frames: [settingsFrame([[5, 2 ** 24]])], code: "PROTOCOL_ERROR" },
    { row: "ENABLE_PUSH of 2", frames: [settingsFrame([[2, 2]])], code: "PROTOCOL_ERROR" },
    { row: "a push", frames: [frame(PUSH_PROMISE, END_HEADERS, 1, Buffer.alloc(4))], code: "PROTOCOL_ERROR" },
    { row: "PING on a stream", frames: [frame(PING, 0, 1, Buffer.alloc(8))], code: "PROTOCOL_ERROR" },
    { row: "PING of seven bytes", frames: [frame(PING, 0, 0, Buffer.alloc(7))], code: "FRAME_SIZE_ERROR" },
    { row: "GOAWAY on a stream", frames: [frame(GOAWAY, 0, 1, Buffer.alloc(8))], code: "PROTOCOL_ERROR" },
    { row: "GOAWAY of four bytes", frames: [numbersFrame(GOAWAY, 0, 0)], code: "FRAME_SIZE_ERROR" },
    { row: "WINDOW_UPDATE of nothing", frames: [numbersFrame(WINDOW_UPDATE, 0, 0)], code: "PROTOCOL_ERROR" },
    {
      row: "WINDOW_UPDATE of three bytes",
      frames: [frame(WINDOW_UPDATE, 0, 0, Buffer.alloc(3))],
      code: "FRAME_SIZE_ERROR",
    },
    {
      row: "WINDOW_UPDATE on a stream that nobody opened",
      frames: [numbersFrame(WINDOW_UPDATE, 1, 1)],
      code: "PROTOCOL_ERROR",
    },
    {
      row: "WINDOW_UPDATE beyond the largest window",
      frames: [numbersFrame(WINDOW_UPDATE, 0, 2 ** 31 - 1)],
      code: "FLOW_CONTROL_ERROR",
    },
    {
      row: "CONTINUATION of nothing",
      frames: [frame(CONTINUATION, END_HEADERS, 1, BLOCK)],
      code: "PROTOCOL_ERROR",
    },
    {
      row: "another frame where CONTINUATION belongs",
      frames: [headers(1, 0), data(1, MESSAGE)],
      code: "PROTOCOL_ERROR",
    },
    { row: "HEADERS where CONTINUATION belongs", frames: [LONG], code: "PROTOCOL_ERROR" },
    {
      row: "CONTINUATION of another stream",
      frames: [headers(1, 0), frame(CONTINUATION, END_HEADERS, 3, BLOCK)],
      code: "PROTOCOL_ERROR",
    },
    {
      row: "CONTINUATION without an end, empty",
      frames: [
        headers(1, 0),
        ...Array.from({ length: 100 }, () => frame(CONTINUATION, 0, 1, Buffer.alloc(0))),
      ],
      code: "ENHANCE_YOUR_CALM",
    },
    {
      row: "CONTINUATION without an end, full",
      frames: [
        headers(1, 0),
        ...Array.from({ length: 9 }, () => frame(CONTINUATION, 0, 1, Buffer.alloc(16_384))),
      ],
      code: "ENHANCE_YOUR_CALM",
    },
    {
      row: "header fields beyond the limit",
      frames: [
        headers(1, 0, fields(["x", "y".repeat(15_000)])),
        ...[1, 2, 3, 4].map((nth) =>
          frame(CONTINUATION, nth === 4 ? END_HEADERS : 0, 1, encodeFields([["x", "y".repeat(13_000)]])),
        ),
      ],
      code: "ENHANCE_YOUR_CALM",
    },
    {
      row: "header fields that no HPACK is",
      frames: [headers(1, END_HEADERS, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))],
      code: "COMPRESSION_ERROR",
    },
    {
      row: "padding that is longer than its frame",
      frames: [headers(1), frame(DATA, PADDED, 1, Buffer.from([9, 0, 0]))],
      code: "PROTOCOL_ERROR",
    },
    {
      row: "HEADERS with padding of nothing",
      frames: [headers(1, END_HEADERS | PADDED, Buffer.alloc(0))],
      code: "PROTOCOL_ERROR",
    },
    {
      row: "10,000 frames that nobody knows",
      frames: Array.from({ length: 10_001 }, () => frame(77, 0, 0, Buffer.alloc(0))),
      code: "ENHANCE_YOUR_CALM",
    },
    {
      row: "10,000 empty frames of data",
      frames: [headers(1), ...Array.from({ length: 10_001 }, () => data(1, Buffer.alloc(0)))],
      code: "ENHANCE_YOUR_CALM",
    },
    {
      row: "10,000 calls that are given up as soon as they are opened",
      frames: Array.from({ length: 5001 }, (_, nth) => [
        headers(2 * nth + 1),
        numbersFrame(RST_STREAM, 2 * nth + 1, 8),
      ]).flat(),
      code: "ENHANCE_YOUR_CALM",
    },
  ])("$row", async ({ frames, code }) => {
    const wire = await server();
    await wire.say(...frames);
    expect(wire.errors.filter((error) => error.startsWith("GOAWAY"))).toEqual([`GOAWAY ${code}`]);
    expect(wire.destroyed).toBe(true);
  });

  test.for([
    { row: "another protocol", bytes: Buffer.from("GET / HTTP/1.1\r\n\r\n") },
    { row: "another first frame", bytes: Buffer.concat([PREFACE, frame(PING, 0, 0, Buffer.alloc(8))]) },
  ])("$row", async ({ bytes }) => {
    const wire = new Wire();
    serveGateway(wire, same);
    await wire.say(bytes);
    expect(wire.errors).toEqual(["GOAWAY PROTOCOL_ERROR"]);
    expect(wire.destroyed).toBe(true);
  });

  test.for([
    { row: "PING", one: frame(PING, 0, 0, Buffer.alloc(8)) },
    { row: "SETTINGS", one: settingsFrame([]) },
  ])("a flood of $row whose answers are not read", async ({ one }) => {
    const wire = await server();
    wire.isStuck = true;
    // What brings something forward is between them.
    const flood = [headers(1), ...Array.from({ length: 9000 }, () => one), data(1, Buffer.alloc(1))];
    await wire.say(...flood);
    expect(wire.writableLength).toBeGreaterThan(80_000);
    expect(wire.writableEnded).toBe(false);
    await wire.say(...flood.slice(1));
    expect(wire.writableEnded).toBe(true);
    expect(wire.writableLength).toBeLessThan(500_000);
  });
});

describe("the stream ends, and others go on:", () => {
  test.for<{ row: string; frames: Buffer[]; code: string }>([
    { row: "DATA behind its end", frames: [call(1), data(1, MESSAGE)], code: "STREAM_CLOSED" },
    { row: "HEADERS behind its end", frames: [call(1), headers(1)], code: "STREAM_CLOSED" },
    {
      row: "DATA on a stream that was passed over",
      frames: [call(3), data(1, MESSAGE)],
      code: "STREAM_CLOSED",
    },
    {
      row: "trailers that are not the end",
      frames: [headers(1), headers(1, END_HEADERS, Buffer.alloc(0))],
      code: "PROTOCOL_ERROR",
    },
    {
      row: "a second request",
      frames: [headers(1), headers(1, END_HEADERS | END_STREAM)],
      code: "PROTOCOL_ERROR",
    },
    {
      row: "WINDOW_UPDATE of nothing",
      frames: [headers(1), numbersFrame(WINDOW_UPDATE, 1, 0)],
      code: "PROTOCOL_ERROR",
    },
    {
      row: "WINDOW_UPDATE beyond the largest window",
      frames: [headers(1), numbersFrame(WINDOW_UPDATE, 1, 2 ** 31 - 1)],
      code: "FLOW_CONTROL_ERROR",
    },
    {
      row: "no path",
      frames: [headers(1, END_HEADERS, encodeFields(REQUEST.slice(0, 2)))],
      code: "PROTOCOL_ERROR",
    },
    { row: "no header fields", frames: [headers(1, END_HEADERS, Buffer.alloc(0))], code: "PROTOCOL_ERROR" },
    { row: "two paths", frames: [headers(1, END_HEADERS, fields([":path", "/"]))], code: "PROTOCOL_ERROR" },
    {
      row: "an answer's status",
      frames: [headers(1, END_HEADERS, fields([":status", "200"]))],
      code: "PROTOCOL_ERROR",
    },
    {
      row: "a name in capitals",
      frames: [headers(1, END_HEADERS, fields(["Te", "trailers"]))],
      code: "PROTOCOL_ERROR",
    },
    {
      row: "a field of HTTP/1.1",
      frames: [headers(1, END_HEADERS, fields(["connection", "close"]))],
      code: "PROTOCOL_ERROR",
    },
    {
      row: "a pseudo-header field behind others",
      frames: [headers(1, END_HEADERS, encodeFields([["te", "trailers"], ...REQUEST]))],
      code: "PROTOCOL_ERROR",
    },
  ])("$row", async ({ frames, code }) => {
    const wire = await server();
    await wire.say(...frames);
    expect(wire.errors).toEqual([`RST_STREAM 1 ${code}`]);
    await wire.say(call(5));
    expect(wire.frames.filter(({ type, streamId }) => type === DATA && streamId === 5)).toHaveLength(1);
  });

  test("more data for it, without an end, and the connection's window is given back", async () => {
    const wire = await server();
    await wire.say(call(1));
    await wire.say(...Array.from({ length: 400 }, () => data(1, Buffer.alloc(16_384))));
    expect(wire.errors).toEqual(["RST_STREAM 1 STREAM_CLOSED"]);
    const updates = wire.frames.filter(({ type, streamId }) => type === WINDOW_UPDATE && streamId === 0);
    expect(updates).toHaveLength(1);
  });

  test("the thousand and first call at once", async () => {
    const wire = await server(() => new Promise(() => undefined));
    await wire.say(...Array.from({ length: 1000 }, (_, nth) => call(2 * nth + 1)));
    expect(wire.errors).toEqual([]);
    await wire.say(call(2001));
    expect(wire.errors).toEqual(["RST_STREAM 2001 REFUSED_STREAM"]);
  });
});

test("a window that is made smaller than what was sent already gives nothing until it has been paid back", async () => {
  const wire = await server(async () => Buffer.alloc(95, "answer"));
  const sent = (): number =>
    wire.frames.reduce((sum, { type, payload }) => sum + (type === DATA ? payload.length : 0), 0);
  await wire.say(settingsFrame([[4, 60]]), call(1));
  expect(sent()).toBe(60);
  await wire.say(settingsFrame([[4, 10]]));
  await wire.say(numbersFrame(WINDOW_UPDATE, 1, 50));
  expect(sent()).toBe(60);
  await wire.say(numbersFrame(WINDOW_UPDATE, 1, 1));
  expect(sent()).toBe(61);
  await wire.say(settingsFrame([[4, 0]]), settingsFrame([[4, 20]]));
  expect(sent()).toBe(71);
  await wire.say(settingsFrame([[4, 2 ** 31 - 1]]));
  expect(sent()).toBe(100);
  expect(wire.errors).toEqual([]);
});

describe("what a client asks for is bounded:", () => {
  /** The status of each answered call. */
  const statuses = (wire: Wire): number =>
    wire.frames.filter(({ type, payload }) => type === HEADERS && payload.includes("too%20much")).length;

  test("calls that are given up count as long as they are at work", async () => {
    const wire = await server(() => new Promise(() => undefined));
    for (let nth = 0; nth < 1010; nth++)
      await wire.say(call(2 * nth + 1), ...(nth < 1000 ? [numbersFrame(RST_STREAM, 2 * nth + 1, 8)] : []));
    expect(statuses(wire)).toBe(10);
  });

  test("requests that do not end hold 128 MiB together", async () => {
    const wire = await server();
    const start = Buffer.concat([Buffer.from([0, 0, 0xff, 0xff, 0xff]), Buffer.alloc(16_379)]);
    const frames = Array.from({ length: 1000 }, (_, nth) =>
      Buffer.concat([
        headers(2 * nth + 1),
        data(2 * nth + 1, start),
        ...Array.from({ length: 9 }, () => data(2 * nth + 1, Buffer.alloc(16_384))),
      ]),
    );
    for (const some of frames) await wire.say(some);
    expect(statuses(wire)).toBe(1000 - Math.floor((128 * 1024 * 1024) / (10 * 16_384)));
  });

  test("answers that are not read wait up to 256 MiB", async () => {
    const large = Buffer.alloc(16_000_000);
    const wire = await server(async () => large);
    for (let nth = 0; nth < 16; nth++) await wire.say(call(2 * nth + 1));
    expect(wire.errors).toEqual([]);
    await wire.say(call(33));
    await settled();
    expect(wire.errors).toEqual(["GOAWAY ENHANCE_YOUR_CALM"]);
  });
});

describe("a server that does not keep to HTTP/2 fails the calls of our client, with", () => {
  const answer = frame(HEADERS, END_HEADERS, 1, encodeFields([[":status", "200"]]));
  test.for<{ row: string; frames: Buffer[]; says: string; error: string }>([
    {
      row: "data before header fields",
      frames: [data(1, MESSAGE)],
      says: "data came before header fields",
      error: "RST_STREAM 1 PROTOCOL_ERROR",
    },
    {
      row: "no status",
      frames: [frame(HEADERS, END_HEADERS, 1, encodeFields([["a", "b"]]))],
      says: "malformed",
      error: "RST_STREAM 1 PROTOCOL_ERROR",
    },
    {
      row: "a frame over 16 KiB",
      frames: [answer, data(1, Buffer.alloc(16_385))],
      says: "16385",
      error: "GOAWAY FRAME_SIZE_ERROR",
    },
    {
      row: "a stream of its own",
      frames: [frame(HEADERS, END_HEADERS, 2, BLOCK)],
      says: "stream 2",
      error: "GOAWAY PROTOCOL_ERROR",
    },
    {
      row: "a stream that is not open yet",
      frames: [data(3, MESSAGE)],
      says: "stream 3",
      error: "GOAWAY PROTOCOL_ERROR",
    },
    {
      row: "a push that it allows itself",
      frames: [settingsFrame([[2, 1]])],
      says: "pushed",
      error: "GOAWAY PROTOCOL_ERROR",
    },
  ])("$row", async ({ frames, says, error }) => {
    const wire = new Wire();
    const bridge = new Bridge(wire);
    const failed = expect(bridge.forward("Solve", new Uint8Array())).rejects.toMatchObject({
      code: 14,
      message: expect.stringContaining(says) as unknown,
    });
    await wire.say(settingsFrame([]), ...frames);
    await failed;
    expect(wire.errors).toEqual([error]);
  });

  test("an interim answer is passed over", async () => {
    const wire = new Wire();
    const answered = new Bridge(wire).forward("Solve", new Uint8Array());
    await wire.say(
      settingsFrame([]),
      frame(HEADERS, END_HEADERS, 1, encodeFields([[":status", "103"]])),
      answer,
      data(1, MESSAGE),
      frame(HEADERS, END_HEADERS | END_STREAM, 1, encodeFields([["grpc-status", "0"]])),
    );
    expect(String(Buffer.from(await answered))).toBe("request");
  });
});

test("twenty thousand frames that are changed at random throw nothing, and leave nothing behind", async () => {
  // A linear congruential generator: the same frames in each run.
  let state = 20_251_128;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const seeds = [
    call(1),
    call(3),
    headers(5, 0),
    frame(CONTINUATION, END_HEADERS, 5, BLOCK),
    settingsFrame([[4, 100]]),
    numbersFrame(WINDOW_UPDATE, 0, 1000),
    numbersFrame(WINDOW_UPDATE, 1, 1000),
    numbersFrame(RST_STREAM, 1, 8),
    numbersFrame(GOAWAY, 0, 0, 0),
    frame(PING, 0, 0, Buffer.alloc(8)),
    headers(7, END_HEADERS, Buffer.from("828684418cf1e3c2e5f23a6ba0ab90f4ff", "hex")),
    frame(HEADERS, END_HEADERS | PADDED, 9, Buffer.concat([Buffer.from([3]), BLOCK, Buffer.alloc(3)])),
  ];
  const outcomes = new Map<string, number>();
  let wire = await server();
  for (let nth = 0; nth < 20_000; nth++) {
    const bytes = Buffer.from(seeds[random(seeds.length)] ?? []);
    for (let changes = random(4); changes > 0; changes--) bytes[random(bytes.length)] = random(256);
    const cut = random(10) === 0 ? random(bytes.length) : bytes.length;
    wire.push(bytes.subarray(0, cut));
    if (random(5) === 0) await settled();
    expect(wire.writableLength).toBeLessThan(1_000_000);
    if (!wire.destroyed) continue;
    const [error = "none"] = wire.errors.slice(-1);
    outcomes.set(error, (outcomes.get(error) ?? 0) + 1);
    wire = await server();
  }
  // Nothing of ours broke, and the frames did reach what they are to test.
  expect([...outcomes.keys()]).not.toContain("GOAWAY INTERNAL_ERROR");
  expect(outcomes.size).toBeGreaterThan(3);
});

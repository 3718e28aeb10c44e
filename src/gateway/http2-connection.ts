// SPDX-License-Identifier: Apache-2.0
// HTTP/2 (RFC 9113) with prior knowledge on any stream of bytes, as far as gRPC needs it. It is ours because Node's cannot be in a
// snapshot, and loading it delays the first call of each build.
import type { Duplex } from "node:stream";
import { encodeFields, type Field, HpackDecoder, NO_DYNAMIC_TABLE } from "./hpack.ts";
import {
  ACK,
  codeName,
  CONTINUATION,
  DATA,
  DEFAULT_MAX_FRAME_BYTES,
  ENABLE_PUSH,
  END_HEADERS,
  END_STREAM,
  frame,
  frameHeader,
  FrameSplitter,
  GOAWAY,
  goawayFrame,
  HEADERS,
  type Http2Code,
  Http2Error,
  INITIAL_WINDOW_SIZE,
  MAX_CONCURRENT_STREAMS,
  MAX_FRAME_SIZE,
  MAX_HEADER_LIST_SIZE,
  numbersFrame,
  PING,
  PREFACE,
  PADDED,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  rstStreamFrame,
  SETTINGS,
  settingsFrame,
  unpadded,
  WINDOW_UPDATE,
} from "./http2-frame.ts";
import { type Headers, Http2Stream, type StreamListener, type StreamOwner } from "./http2-stream.ts";

/** As much may be on its way to us at once, in bytes: on one stream, and on all of them. */
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
const WINDOW_BYTES = 4 * STREAM_WINDOW_BYTES;
/** What both sides begin with (6.9.2), and what no window may exceed (6.9.1). */
const DEFAULT_WINDOW_BYTES = 65_535;
const MAX_WINDOW_BYTES = 2 ** 31 - 1;
/** The highest number of a stream. */
const MAX_STREAM_ID = 2 ** 31 - 1;
/** As many streams a client opens before it knows how many the server takes. */
const FIRST_STREAMS = 100;
/** As many streams the other side may have open. */
const MAX_STREAMS = 1000;
/** As many frames may come one after the other that bring nothing forward. */
const MAX_IDLE_FRAMES = 10_000;
/** As many answers to such frames, and as many bytes in all, may wait for who does not read them. */
const MAX_WAITING_ANSWERS = 10_000;
const MAX_QUEUED_BYTES = 256 * 1024 * 1024;
/** As many streams that we gave up are remembered, because what the other side sent before it knew is not its fault. */
const MAX_RESET_STREAMS = 100;

export interface ConnectionOptions {
  /** Header fields of a stream may have so many bytes, counted as in RFC 9113, 6.5.2. */
  readonly maxHeaderBytes: number;
  /** Says for a server who listens to a stream that the client opened. Without it, this is a client. */
  readonly serve?: (stream: Http2Stream) => StreamListener;
}

/** A block of header fields whose frames have not all come (4.3). */
interface OpenBlock {
  readonly streamId: number;
  readonly isEnd: boolean;
  readonly parts: Buffer[];
  size: number;
}

/** One side of a connection. Whatever the other side does ends a stream or the connection, and throws nothing. */
export class Http2Connection {
  readonly #stream: Duplex;
  readonly #options: ConnectionOptions;
  readonly #isServer: boolean;
  readonly #splitter = new FrameSplitter();
  readonly #hpack: HpackDecoder;
  readonly #owner: StreamOwner;

  readonly #streams = new Map<number, Http2Stream>();
  /** Streams that have something to send. */
  readonly #sending = new Set<Http2Stream>();
  /** Streams of a client that are not open yet, with the header fields that open each. */
  readonly #waiting = new Map<Http2Stream, readonly Field[]>();
  /** The numbers of streams that we gave up, the latest ones. */
  readonly #reset = new Set<number>();
  /** The highest number of a stream that was opened. */
  #lastId = 0;

  #out: Uint8Array[] = [];
  #isFlushPlanned = false;
  #hasSentFields = false;
  #queuedBytes = 0;
  /** How many answers are in `#out`, and how many wait behind it. */
  #newAnswers = 0;
  #waitingAnswers = 0;
  #idleFrames = 0;

  #unreadPreface: Buffer;
  #hasSettings = false;
  #block: OpenBlock | undefined;
  #receiveWindow = WINDOW_BYTES;
  #sendWindow = DEFAULT_WINDOW_BYTES;
  /** What the other side set. */
  #streamWindow = DEFAULT_WINDOW_BYTES;
  #maxFrameBytes = DEFAULT_MAX_FRAME_BYTES;
  #maxStreams = FIRST_STREAMS;
  /** The other side takes no further streams. */
  #isGoingAway = false;
  #isOver = false;
  #reason: Error | undefined;

  /** Speaks when it is started. The stream is the connection's from then on. */
  constructor(stream: Duplex, options: ConnectionOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#isServer = options.serve !== undefined;
    this.#hpack = new HpackDecoder(options.maxHeaderBytes);
    this.#unreadPreface = this.#isServer ? PREFACE : PREFACE.subarray(PREFACE.length);
    this.#owner = {
      send: (sender, bytes) => {
        this.#queuedBytes += bytes;
        this.#sending.add(sender);
        this.#planFlush();
      },
      respond: (sender, fields) => {
        this.#sendFields(sender.id, encodeFields(fields), 0);
        this.#planFlush();
      },
      reset: (sender, code) => {
        this.#resetStream(sender, code);
        this.#planFlush();
      },
    };
  }

  /** Says how HTTP/2 begins (3.4), and listens. */
  start(): this {
    if (!this.#isServer) this.#out.push(PREFACE);
    this.#out.push(
      settingsFrame([
        this.#isServer ? [MAX_CONCURRENT_STREAMS, MAX_STREAMS] : [ENABLE_PUSH, 0],
        [INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES],
        [MAX_HEADER_LIST_SIZE, this.#options.maxHeaderBytes],
      ]),
      numbersFrame(WINDOW_UPDATE, 0, WINDOW_BYTES - DEFAULT_WINDOW_BYTES),
    );
    this.#planFlush();
    const stream = this.#stream;
    stream.on("data", (chunk: Buffer) => this.#receive(chunk));
    stream.on("error", (error: Error) => this.#end(error));
    stream.on("end", () => this.destroy());
    stream.on("close", () => this.#end());
    return this;
  }

  /** Opens a stream with these header fields, as soon as the server takes another one. */
  request(fields: readonly Field[], listener: StreamListener): Http2Stream {
    const stream = new Http2Stream(this.#owner, this.#streamWindow, STREAM_WINDOW_BYTES);
    stream.listener = listener;
    if (this.#isOver || this.#isGoingAway || this.#lastId + 2 > MAX_STREAM_ID) {
      stream.isClosed = true;
      queueMicrotask(() => listener.over(this.#reason));
    } else {
      this.#waiting.set(stream, fields);
      this.#planFlush();
    }
    return stream;
  }

  /** Hangs up: all open streams are over. */
  destroy(): void {
    this.#end();
    this.#stream.destroy();
  }

  #end(reason?: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reason = reason;
    const open = [...this.#streams.values(), ...this.#waiting.keys()];
    this.#waiting.clear();
    for (const stream of open) this.#close(stream, reason);
  }

  /** Says why (6.8), and hangs up when that has been sent. Whoever has the stream hears the reason too. */
  #fail(code: Http2Code, reason: Error): void {
    if (this.#isOver) return;
    this.#out.push(goawayFrame(this.#isServer ? this.#lastId : 0, code));
    const last = Buffer.concat(this.#out);
    this.#out = [];
    this.#end(reason);
    this.#stream.pause();
    this.#stream.end(last, () => this.#stream.destroy(reason));
  }

  /** Forgets a stream. Its listener hears of it unless it has heard everything. */
  #close(stream: Http2Stream, reason?: Error): void {
    if (stream.isClosed) return;
    stream.isClosed = true;
    this.#streams.delete(stream.id);
    this.#sending.delete(stream);
    this.#queuedBytes -= stream.queuedBytes;
    stream.queuedBytes = 0;
    stream.queue.length = 0;
    if (!stream.isReceived) {
      stream.isReceived = true;
      stream.listener?.over(reason);
    }
    if (this.#isGoingAway && this.#streams.size === 0) this.destroy();
  }

  /** 5.4.2. What the other side does wrong is the reason; without one the listener hears nothing. */
  #resetStream(stream: Http2Stream, code: Http2Code, reason?: Error): void {
    if (stream.id === 0) this.#waiting.delete(stream);
    else this.#sendReset(stream.id, code);
    if (reason === undefined) stream.isReceived = true;
    this.#close(stream, reason);
  }

  #sendReset(streamId: number, code: Http2Code): void {
    this.#answer(rstStreamFrame(streamId, code));
    this.#reset.add(streamId);
    const [oldest] = this.#reset;
    if (this.#reset.size > MAX_RESET_STREAMS && oldest !== undefined) this.#reset.delete(oldest);
  }

  #answer(bytes: Uint8Array): void {
    this.#out.push(bytes);
    this.#newAnswers++;
  }

  // Sending.

  /** All that is said in one turn goes out in one write. */
  #planFlush(): void {
    if (this.#isFlushPlanned || this.#isOver) return;
    this.#isFlushPlanned = true;
    queueMicrotask(() => this.#guarded(() => undefined));
  }

  /** Does this, then sends what there is to send. Nothing is thrown: a mistake of the other side's ends the connection. */
  #guarded(work: () => void): void {
    this.#isFlushPlanned = true;
    try {
      work();
      if (!this.#isOver) this.#flush();
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error));
      this.#fail(error instanceof Http2Error ? error.code : "INTERNAL_ERROR", reason);
    }
    this.#isFlushPlanned = false;
  }

  #flush(): void {
    for (const [stream, fields] of this.#waiting) {
      if (this.#streams.size >= this.#maxStreams) break;
      this.#waiting.delete(stream);
      this.#lastId += this.#lastId === 0 ? 1 : 2;
      stream.id = this.#lastId;
      stream.sendWindow = this.#streamWindow;
      this.#streams.set(stream.id, stream);
      this.#sendFields(stream.id, encodeFields(fields), 0);
    }
    // One frame of each in turn, so that none waits for all of another.
    for (let hasSent = true; hasSent;) {
      hasSent = false;
      for (const stream of this.#sending) if (this.#sendNext(stream)) hasSent = true;
    }
    const out = Buffer.concat(this.#out);
    this.#out = [];
    const unread = this.#stream.writableLength;
    this.#waitingAnswers = this.#newAnswers + (unread === 0 ? 0 : this.#waitingAnswers);
    this.#newAnswers = 0;
    if (
      this.#waitingAnswers > MAX_WAITING_ANSWERS ||
      unread + out.length + this.#queuedBytes > MAX_QUEUED_BYTES
    )
      throw new Http2Error("ENHANCE_YOUR_CALM", "answers are asked for and not read");
    if (out.length === 0) return;
    this.#stream.write(out);
  }

  /** Sends the next frame of a stream, if the windows let it (5.2). */
  #sendNext(stream: Http2Stream): boolean {
    if (stream.id === 0) return false;
    const [next] = stream.queue;
    if (next === undefined) {
      this.#sending.delete(stream);
      if (!stream.isEnding || stream.isSent) return false;
      if (stream.trailers === undefined) this.#out.push(frameHeader(0, DATA, END_STREAM, stream.id));
      else this.#sendFields(stream.id, stream.trailers, END_STREAM);
      this.#hasSentAll(stream);
      return true;
    }
    const length = Math.min(next.length, this.#maxFrameBytes, this.#sendWindow, stream.sendWindow);
    if (length <= 0) return false;
    if (length < next.length) stream.queue[0] = next.subarray(length);
    else stream.queue.shift();
    this.#queuedBytes -= length;
    stream.queuedBytes -= length;
    this.#sendWindow -= length;
    stream.sendWindow -= length;
    this.#idleFrames = 0;
    const isEnd = stream.isEnding && stream.queue.length === 0 && stream.trailers === undefined;
    this.#out.push(frameHeader(length, DATA, isEnd ? END_STREAM : 0, stream.id), next.subarray(0, length));
    if (isEnd) this.#hasSentAll(stream);
    return true;
  }

  #hasSentAll(stream: Http2Stream): void {
    stream.isSent = true;
    this.#sending.delete(stream);
    if (stream.isReceived) this.#close(stream);
    // 8.1: the rest of a request is not needed when its answer is whole.
    else if (this.#isServer) this.#resetStream(stream, "NO_ERROR");
  }

  /** A block of header fields, in as many frames as it takes (4.3). */
  #sendFields(streamId: number, fields: Buffer, flags: number): void {
    const block = this.#hasSentFields ? fields : Buffer.concat([NO_DYNAMIC_TABLE, fields]);
    this.#hasSentFields = true;
    for (let at = 0; at < block.length; at += this.#maxFrameBytes) {
      const part = block.subarray(at, at + this.#maxFrameBytes);
      const isLast = at + part.length === block.length ? END_HEADERS : 0;
      this.#out.push(
        frameHeader(
          part.length,
          at === 0 ? HEADERS : CONTINUATION,
          (at === 0 ? flags : 0) | isLast,
          streamId,
        ),
        part,
      );
    }
  }

  // Receiving.

  #receive(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#guarded(() => {
      const preface = this.#unreadPreface.subarray(0, chunk.length);
      if (!chunk.subarray(0, preface.length).equals(preface))
        throw new Http2Error("PROTOCOL_ERROR", "the connection does not begin as HTTP/2 does");
      this.#unreadPreface = this.#unreadPreface.subarray(preface.length);
      this.#splitter.push(chunk.subarray(preface.length), (type, flags, streamId, payload) => {
        if (!this.#isOver) this.#onFrame(type, flags, streamId, payload);
      });
    });
  }

  #onFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    if (!this.#hasSettings && (type !== SETTINGS || flags & ACK))
      throw broken("the first frame is not SETTINGS");
    if (this.#block !== undefined && (type !== CONTINUATION || streamId !== this.#block.streamId))
      throw broken("a block of header fields is not continued");
    if (++this.#idleFrames > MAX_IDLE_FRAMES)
      throw new Http2Error("ENHANCE_YOUR_CALM", `${MAX_IDLE_FRAMES} frames brought nothing forward`);
    const isOfStream = type <= RST_STREAM || type === CONTINUATION;
    const isOfConnection = type === SETTINGS || type === PING || type === GOAWAY;
    if (streamId === 0 ? isOfStream : isOfConnection)
      throw broken(`a frame of type ${type} is on stream ${streamId}`);
    switch (type) {
      case DATA:
        return this.#onData(flags, streamId, payload);
      case HEADERS:
        return this.#onHeaders(flags, streamId, unpadded(flags, payload));
      case CONTINUATION:
        return this.#onContinuation(flags, payload);
      case RST_STREAM:
        return this.#onReset(streamId, payload);
      case SETTINGS:
        return this.#onSettings(flags, payload);
      case PING:
        sized(payload, 8);
        if (!(flags & ACK)) this.#answer(frame(PING, ACK, 0, payload));
        return undefined;
      case GOAWAY:
        return this.#onGoaway(payload);
      case WINDOW_UPDATE:
        return this.#onWindowUpdate(streamId, payload);
      case PRIORITY:
        // 5.3.2: nobody has to heed it.
        return sized(payload, 5);
      case PUSH_PROMISE:
        throw broken("nothing may be pushed");
      default:
        // 4.1: what nobody knows is left.
        return undefined;
    }
  }

  #onData(flags: number, streamId: number, payload: Buffer): void {
    const bytes = unpadded(flags & PADDED, payload);
    // What comes is taken at once, and half a window is given back when it is used up: so none runs out, and none need be guarded.
    this.#receiveWindow -= payload.length;
    if (this.#receiveWindow < WINDOW_BYTES / 2) {
      this.#answer(numbersFrame(WINDOW_UPDATE, 0, WINDOW_BYTES - this.#receiveWindow));
      this.#receiveWindow = WINDOW_BYTES;
    }
    const stream = this.#receiving(streamId);
    if (stream === undefined) return;
    if (bytes.length > 0) this.#idleFrames = 0;
    if (!stream.hasHeaders) return this.#refuse(stream, "PROTOCOL_ERROR", "data came before header fields");
    stream.receiveWindow -= payload.length;
    if (bytes.length > 0) stream.listener?.data(bytes);
    if (flags & END_STREAM) this.#hasReceivedAll(stream);
    else if (!stream.isClosed && stream.receiveWindow < STREAM_WINDOW_BYTES / 2) {
      this.#answer(numbersFrame(WINDOW_UPDATE, streamId, STREAM_WINDOW_BYTES - stream.receiveWindow));
      stream.receiveWindow = STREAM_WINDOW_BYTES;
    }
  }

  #onHeaders(flags: number, streamId: number, part: Buffer): void {
    this.#block = { streamId, isEnd: (flags & END_STREAM) !== 0, parts: [], size: 0 };
    this.#onContinuation(flags, part);
  }

  #onContinuation(flags: number, part: Buffer): void {
    const block = this.#block;
    if (block === undefined) throw broken("nothing is to be continued");
    block.parts.push(part);
    block.size += part.length;
    const { maxHeaderBytes } = this.#options;
    // Whoever fills half of each frame needs fewer.
    const maxParts = 16 + (2 * maxHeaderBytes) / DEFAULT_MAX_FRAME_BYTES;
    if (block.size > maxHeaderBytes || block.parts.length > maxParts)
      throw new Http2Error(
        "ENHANCE_YOUR_CALM",
        `the header fields have more than ${maxHeaderBytes} bytes, or more than ${maxParts} frames`,
      );
    if (!(flags & END_HEADERS)) return;
    this.#block = undefined;
    const fields = this.#hpack.decode(block.parts.length === 1 ? part : Buffer.concat(block.parts));
    this.#onFields(block, headersOf(fields, this.#isServer ? "request" : "answer"));
  }

  #onFields({ streamId, isEnd }: OpenBlock, headers: Headers | undefined): void {
    const stream =
      this.#isServer && streamId > this.#lastId ? this.#opened(streamId) : this.#receiving(streamId);
    if (stream === undefined) return;
    const isTrailers = stream.hasHeaders;
    const isInterim = headers?.[":status"]?.startsWith("1") === true;
    const isWell =
      headers !== undefined &&
      isTrailers === ((headers[":path"] ?? headers[":status"]) === undefined) &&
      (isTrailers ? isEnd : !(isInterim && isEnd));
    if (!isWell) return this.#refuse(stream, "PROTOCOL_ERROR", "the header fields are malformed");
    // 8.1: those that count come after it.
    if (isInterim) return;
    stream.hasHeaders = true;
    stream.listener?.headers(headers);
    if (isEnd) this.#hasReceivedAll(stream);
  }

  /** A stream that the client opens (5.1.1), if there may be another one. */
  #opened(streamId: number): Http2Stream | undefined {
    if (streamId % 2 === 0) throw broken(`a client opened stream ${streamId}`);
    this.#lastId = streamId;
    if (this.#streams.size >= MAX_STREAMS) {
      this.#sendReset(streamId, "REFUSED_STREAM");
      return undefined;
    }
    const stream = new Http2Stream(this.#owner, this.#streamWindow, STREAM_WINDOW_BYTES);
    stream.id = streamId;
    stream.listener = this.#options.serve?.(stream);
    this.#streams.set(streamId, stream);
    return stream;
  }

  /** The stream on which the other side may say something (5.1); undefined for what we gave up and for what it had ended. */
  #receiving(streamId: number): Http2Stream | undefined {
    const stream = this.#known(streamId);
    if (stream !== undefined && !stream.isReceived) return stream;
    if (stream !== undefined) this.#resetStream(stream, "STREAM_CLOSED");
    else if (!this.#reset.has(streamId)) this.#sendReset(streamId, "STREAM_CLOSED");
    return undefined;
  }

  /** A stream that is open, or undefined for one that was. */
  #known(streamId: number): Http2Stream | undefined {
    if (streamId % 2 === 0 || streamId > this.#lastId) throw broken(`stream ${streamId} is not open`);
    return this.#streams.get(streamId);
  }

  #refuse(stream: Http2Stream, code: Http2Code, message: string): void {
    this.#resetStream(stream, code, new Error(message));
  }

  #hasReceivedAll(stream: Http2Stream): void {
    if (stream.isClosed) return;
    stream.isReceived = true;
    if (stream.isSent) this.#close(stream);
    stream.listener?.over();
  }

  #onReset(streamId: number, payload: Buffer): void {
    sized(payload, 4);
    const stream = this.#known(streamId);
    const name = codeName(payload.readUInt32BE());
    const isGivenUp = name === "CANCEL" || name === "NO_ERROR";
    if (stream !== undefined)
      this.#close(stream, isGivenUp ? undefined : new Error(`the call was ended with ${name}`));
  }

  #onSettings(flags: number, payload: Buffer): void {
    if (flags & ACK) return sized(payload, 0);
    if (payload.length % 6 !== 0) sized(payload, 6);
    // The last one of each counts (6.5.3).
    const settings = new Map<number, number>();
    for (let at = 0; at < payload.length; at += 6)
      settings.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    if ((settings.get(ENABLE_PUSH) ?? 0) > (this.#isServer ? 1 : 0)) throw broken("nothing may be pushed");
    const frameBytes = settings.get(MAX_FRAME_SIZE) ?? this.#maxFrameBytes;
    if (frameBytes < DEFAULT_MAX_FRAME_BYTES || frameBytes >= 2 ** 24)
      throw broken(`frames cannot have ${frameBytes} bytes`);
    this.#maxFrameBytes = frameBytes;
    this.#maxStreams =
      settings.get(MAX_CONCURRENT_STREAMS) ?? (this.#hasSettings ? this.#maxStreams : MAX_STREAM_ID);
    // 6.9.2
    const window = settings.get(INITIAL_WINDOW_SIZE) ?? this.#streamWindow;
    for (const stream of this.#streams.values())
      stream.sendWindow = widened(stream.sendWindow, window - this.#streamWindow);
    this.#streamWindow = widened(window, 0);
    this.#hasSettings = true;
    this.#answer(frameHeader(0, SETTINGS, ACK, 0));
  }

  /** A server goes away (6.8). What a client says of it means nothing to us: we open no streams. */
  #onGoaway(payload: Buffer): void {
    if (payload.length < 8) sized(payload, 8);
    if (this.#isServer) return;
    const name = codeName(payload.readUInt32BE(4));
    const reason = new Error(`the connection was closed with ${name}`);
    if (name !== "NO_ERROR") {
      this.#end(reason);
      this.#stream.destroy();
      return;
    }
    this.#isGoingAway = true;
    const lastId = payload.readUInt32BE() & MAX_STREAM_ID;
    const unheard = [...this.#streams.values()].filter(({ id }) => id > lastId);
    const waiting = [...this.#waiting.keys()];
    this.#waiting.clear();
    for (const stream of [...unheard, ...waiting]) this.#close(stream, reason);
    if (this.#streams.size === 0) this.destroy();
  }

  #onWindowUpdate(streamId: number, payload: Buffer): void {
    sized(payload, 4);
    const increment = payload.readUInt32BE() & MAX_WINDOW_BYTES;
    if (streamId === 0) {
      if (increment === 0) throw broken("a window grows by nothing");
      this.#sendWindow = widened(this.#sendWindow, increment);
      return;
    }
    const stream = this.#known(streamId);
    if (stream === undefined) return;
    if (increment === 0) this.#refuse(stream, "PROTOCOL_ERROR", "a window grows by nothing");
    else if (stream.sendWindow + increment > MAX_WINDOW_BYTES)
      this.#refuse(stream, "FLOW_CONTROL_ERROR", "a window is too large");
    else stream.sendWindow += increment;
  }
}

function widened(window: number, by: number): number {
  if (window + by > MAX_WINDOW_BYTES) throw new Http2Error("FLOW_CONTROL_ERROR", "a window is too large");
  return window + by;
}

function broken(message: string): Http2Error {
  return new Http2Error("PROTOCOL_ERROR", message);
}

function sized(payload: Buffer, bytes: number): void {
  if (payload.length !== bytes)
    throw new Http2Error("FRAME_SIZE_ERROR", `a frame has ${payload.length} bytes where ${bytes} belong`);
}

/** The pseudo-header fields that a request has, and those that an answer has (8.3); the first ones must be there. */
const PSEUDO = { request: [":path", ":method", ":scheme", ":authority"], answer: [":status"] };
const MUST = { request: 3, answer: 1 };
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** Those of a connection of HTTP/1.1 (8.2.2). */
const OF_CONNECTION = ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"];

/** The fields by name, or undefined for a list that is malformed (8.2, 8.3). Values of one name are joined by commas. */
function headersOf(fields: readonly Field[], kind: keyof typeof PSEUDO): Headers | undefined {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  let pseudo = 0;
  for (const [index, [name, value]] of fields.entries()) {
    const known = headers[name];
    if (name.startsWith(":")) {
      if (!PSEUDO[kind].includes(name) || known !== undefined || index > pseudo++) return undefined;
    } else if (!NAME.test(name) || OF_CONNECTION.includes(name)) return undefined;
    headers[name] = known === undefined ? value : `${known}, ${value}`;
  }
  const must = PSEUDO[kind].slice(0, MUST[kind]);
  return pseudo === 0 || must.every((name) => headers[name] !== undefined) ? headers : undefined;
}

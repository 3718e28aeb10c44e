// SPDX-License-Identifier: Apache-2.0
// Frames of HTTP/2 (RFC 9113, 4 and 6).

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

/** Flags, each of which means something only in some types of frames. */
export const ACK = 0x1;
export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const WITH_PRIORITY = 0x20;

/** The parameters of SETTINGS (6.5.2). */
export const ENABLE_PUSH = 2;
export const MAX_CONCURRENT_STREAMS = 3;
export const INITIAL_WINDOW_SIZE = 4;
export const MAX_FRAME_SIZE = 5;
export const MAX_HEADER_LIST_SIZE = 6;

/** What a client begins with (3.4). */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

const HEADER_BYTES = 9;
/** The largest payload that everybody takes, and that we take, in bytes (4.2). */
export const DEFAULT_MAX_FRAME_BYTES = 16_384;

/** The codes of errors, by their numbers (7). */
const CODES = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED",
] as const;
export type Http2Code = (typeof CODES)[number];

/** For people: `STREAM_CLOSED`, or `error code 77`. */
export function codeName(code: number): string {
  return CODES[code] ?? `error code ${code}`;
}

/** What ends a connection: the other side does not keep to the protocol, or to a limit of ours. */
export class Http2Error extends Error {
  override readonly name = "Http2Error";
  readonly code: Http2Code;

  constructor(code: Http2Code, message: string) {
    super(message);
    this.code = code;
  }
}

/** A whole frame. */
export function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  return Buffer.concat([frameHeader(payload.length, type, flags, streamId), payload]);
}

/** What stands before a payload of so many bytes. */
export function frameHeader(length: number, type: number, flags: number, streamId: number): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUIntBE(length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(streamId, 5);
  return header;
}

/** A frame whose payload is numbers of four bytes each: WINDOW_UPDATE, RST_STREAM, GOAWAY. */
export function numbersFrame(type: number, streamId: number, ...numbers: readonly number[]): Buffer {
  const payload = Buffer.allocUnsafe(4 * numbers.length);
  for (const [index, number] of numbers.entries()) payload.writeUInt32BE(number, 4 * index);
  return frame(type, 0, streamId, payload);
}

export function rstStreamFrame(streamId: number, code: Http2Code): Buffer {
  return numbersFrame(RST_STREAM, streamId, CODES.indexOf(code));
}

export function goawayFrame(lastStreamId: number, code: Http2Code): Buffer {
  return numbersFrame(GOAWAY, 0, lastStreamId, CODES.indexOf(code));
}

export function settingsFrame(settings: readonly (readonly [parameter: number, value: number])[]): Buffer {
  const payload = Buffer.allocUnsafe(6 * settings.length);
  for (const [index, [parameter, value]] of settings.entries()) {
    payload.writeUInt16BE(parameter, 6 * index);
    payload.writeUInt32BE(value, 6 * index + 2);
  }
  return frame(SETTINGS, 0, 0, payload);
}

/** Takes what a payload is padded with away, and the priority in a HEADERS frame (6.1, 6.2). Throws Http2Error. */
export function unpadded(flags: number, payload: Buffer): Buffer {
  const pad = flags & PADDED ? (payload[0] ?? payload.length) : 0;
  const start = (flags & PADDED ? 1 : 0) + (flags & WITH_PRIORITY ? 5 : 0);
  if (start + pad > payload.length)
    throw new Http2Error("PROTOCOL_ERROR", "the padding is longer than its frame");
  return payload.subarray(start, payload.length - pad);
}

type OnFrame = (type: number, flags: number, streamId: number, payload: Buffer) => void;

/** Takes the bytes of a connection as they come, and gives the frames in them. Holds less than one frame and one chunk. */
export class FrameSplitter {
  #chunks: Buffer[] = [];
  #size = 0;
  /** How many bytes it takes to go on. */
  #needed = HEADER_BYTES;

  /** Payloads share memory with the chunks. Throws Http2Error for a frame that is larger than everybody's limit, and what `onFrame` does. */
  push(chunk: Buffer, onFrame: OnFrame): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#needed) return;
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    let at = 0;
    for (;;) {
      this.#needed = HEADER_BYTES;
      if (bytes.length - at < HEADER_BYTES) break;
      const length = bytes.readUIntBE(at, 3);
      if (length > DEFAULT_MAX_FRAME_BYTES)
        throw new Http2Error(
          "FRAME_SIZE_ERROR",
          `a frame has ${length} bytes, and the limit is ${DEFAULT_MAX_FRAME_BYTES}`,
        );
      this.#needed += length;
      if (bytes.length - at < this.#needed) break;
      const start = at + HEADER_BYTES;
      at = start + length;
      const streamId = bytes.readUInt32BE(start - 4) & 0x7fffffff;
      onFrame(bytes.readUInt8(start - 6), bytes.readUInt8(start - 5), streamId, bytes.subarray(start, at));
    }
    this.#chunks = at < bytes.length ? [bytes.subarray(at)] : [];
    this.#size = bytes.length - at;
  }
}

// SPDX-License-Identifier: Apache-2.0
import { CallError, RESOURCE_EXHAUSTED, INTERNAL } from "./status.ts";

/** BuildKit's own limit for one message, in bytes. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** A message goes over the wire behind one byte, 1 if it is compressed, and its length as 4 bytes, big-endian. */
const HEADER_BYTES = 5;

/** The message as a frame of gRPC over HTTP/2. */
export function frameOf(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + message.length);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, HEADER_BYTES);
  return frame;
}

/** Takes the bytes of a gRPC stream as they come, and gives the messages in them. */
export class FrameReader {
  #chunks: Uint8Array[] = [];
  #size = 0;

  /** The messages that these bytes complete. Throws CallError for a compressed message, and for one that is too large. */
  push(chunk: Uint8Array): Uint8Array[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    const messages: Uint8Array[] = [];
    for (let length = this.#nextLength(); length !== undefined; length = this.#nextLength()) {
      if (this.#size < HEADER_BYTES + length) break;
      const bytes = this.#joined();
      messages.push(bytes.subarray(HEADER_BYTES, HEADER_BYTES + length));
      const rest = bytes.subarray(HEADER_BYTES + length);
      this.#chunks = rest.length > 0 ? [rest] : [];
      this.#size = rest.length;
    }
    return messages;
  }

  /** Whether a message has begun and not ended. */
  get isInside(): boolean {
    return this.#size > 0;
  }

  #nextLength(): number | undefined {
    if (this.#size < HEADER_BYTES) return undefined;
    const [first] = this.#chunks;
    const bytes = first !== undefined && first.length >= HEADER_BYTES ? first : this.#joined();
    const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
    if (view.getUint8(0) !== 0) throw new CallError(INTERNAL, "the message is compressed");
    const length = view.getUint32(1);
    if (length > MAX_MESSAGE_BYTES)
      throw new CallError(
        RESOURCE_EXHAUSTED,
        `the message has ${length} bytes, and the limit is ${MAX_MESSAGE_BYTES}`,
      );
    return length;
  }

  #joined(): Uint8Array {
    const bytes =
      this.#chunks.length === 1 ? (this.#chunks[0] ?? new Uint8Array()) : Buffer.concat(this.#chunks);
    this.#chunks = [bytes];
    return bytes;
  }
}

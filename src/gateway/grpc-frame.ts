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
  /** What has come of a message, with room behind it: many small pieces would take more than they hold. */
  #bytes = Buffer.alloc(0);
  #size = 0;

  /** The messages that these bytes complete. Throws CallError for a compressed message, and for one that is too large. */
  push(chunk: Uint8Array): Uint8Array[] {
    let rest = this.#size > 0 ? this.#with(chunk) : chunk;
    const messages: Uint8Array[] = [];
    let end = endOfMessage(rest);
    for (; end <= rest.length; end = endOfMessage(rest)) {
      messages.push(rest.subarray(HEADER_BYTES, end));
      rest = rest.subarray(end);
      // Whoever has the message has its memory.
      this.#bytes = Buffer.alloc(0);
      this.#size = 0;
    }
    if (this.#size === 0 && rest.length > 0) this.#with(rest);
    return messages;
  }

  /** All that has come of the message. */
  #with(chunk: Uint8Array): Uint8Array {
    const size = this.#size + chunk.length;
    if (size > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(size, 2 * this.#size));
      larger.set(this.#bytes.subarray(0, this.#size));
      this.#bytes = larger;
    }
    this.#bytes.set(chunk, this.#size);
    this.#size = size;
    return this.#bytes.subarray(0, size);
  }
}

/** Where the message ends that these bytes begin with; infinity as long as they do not say. */
function endOfMessage(bytes: Uint8Array): number {
  if (bytes.length < HEADER_BYTES) return Infinity;
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  if (view.getUint8(0) !== 0) throw new CallError(INTERNAL, "the message is compressed");
  const length = view.getUint32(1);
  if (length > MAX_MESSAGE_BYTES)
    throw new CallError(
      RESOURCE_EXHAUSTED,
      `the message has ${length} bytes, and the limit is ${MAX_MESSAGE_BYTES}`,
    );
  return HEADER_BYTES + length;
}

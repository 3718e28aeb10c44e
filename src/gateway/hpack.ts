// SPDX-License-Identifier: Apache-2.0
// HPACK (RFC 7541), the compression of HTTP/2's header fields. We read all of it, and write what needs no state.
import { Http2Error } from "./http2-frame.ts";
import { huffmanDecoded } from "./huffman.ts";

/** A header field. Octets of its value are characters up to 255. */
export type Field = readonly [name: string, value: string];

/** The static table (appendix A), from index 1 on: fields with a value, the others by their names alone. */
const STATIC: readonly Field[] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  ...["200", "204", "206", "304", "400", "404", "500"].map((status): Field => [":status", status]),
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ...`accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control
  content-disposition content-encoding content-language content-length content-location content-range content-type cookie
  date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified
  link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie
  strict-transport-security transfer-encoding user-agent vary via www-authenticate`
    .split(/\s+/)
    .map((name): Field => [name, ""]),
];

/** What each field counts beside its octets, in the table and in a list (4.1; RFC 9113, 6.5.2). */
const FIELD_BYTES = 32;
/** How large the dynamic table of the other side may be, in bytes: what it is when nobody says anything (RFC 9113, 6.5.2). */
const MAX_TABLE_BYTES = 4096;

/** Reads the blocks of header fields of one connection, in their order. */
export class HpackDecoder {
  readonly #maxListBytes: number;
  /** The dynamic table, the newest field first. */
  readonly #table: Field[] = [];
  #tableBytes = 0;
  #maxTableBytes = MAX_TABLE_BYTES;

  /** No list of fields may have more bytes than this, counted as the RFC does. */
  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes;
  }

  /** The fields of a block. Throws Http2Error, after which no other block can be read. */
  decode(block: Buffer): Field[] {
    const reader = new BlockReader(block);
    const fields: Field[] = [];
    let size = 0;
    while (!reader.isAtEnd) {
      const first = reader.peek();
      if (first >= 0x20 && first < 0x40) {
        // 6.3; it can stand at the beginning alone (4.2).
        if (fields.length > 0) throw wrong("the dynamic table changes its size inside a block");
        this.#resize(reader.integer(5));
        continue;
      }
      const field = first >= 0x80 ? this.#field(reader.integer(7)) : this.#literal(reader, first);
      size += sizeOf(field);
      if (size > this.#maxListBytes)
        throw new Http2Error(
          "ENHANCE_YOUR_CALM",
          `the header fields have more than ${this.#maxListBytes} bytes`,
        );
      fields.push(field);
    }
    return fields;
  }

  /** 6.2: with incremental indexing, without indexing, never indexed. */
  #literal(reader: BlockReader, first: number): Field {
    const isIndexed = first >= 0x40;
    const index = reader.integer(isIndexed ? 6 : 4);
    const name = index === 0 ? reader.string() : this.#field(index)[0];
    const field: Field = [name, reader.string()];
    if (isIndexed) this.#add(field);
    return field;
  }

  #field(index: number): Field {
    const field = index <= STATIC.length ? STATIC[index - 1] : this.#table[index - STATIC.length - 1];
    if (field === undefined) throw wrong(`no header field has the index ${index}`);
    return field;
  }

  #add(field: Field): void {
    this.#table.unshift(field);
    this.#tableBytes += sizeOf(field);
    this.#evict();
  }

  #resize(bytes: number): void {
    if (bytes > MAX_TABLE_BYTES) throw wrong(`the dynamic table cannot have ${bytes} bytes`);
    this.#maxTableBytes = bytes;
    this.#evict();
  }

  /** 4.3, 4.4: a field that is larger than the whole table empties it. */
  #evict(): void {
    while (this.#tableBytes > this.#maxTableBytes) {
      const oldest = this.#table.pop();
      this.#tableBytes -= oldest === undefined ? this.#tableBytes : sizeOf(oldest);
    }
  }
}

/** A block that says to the other side that our dynamic table is empty and stays so. It goes before the first fields (4.2). */
export const NO_DYNAMIC_TABLE = Buffer.from([0x20]);

/** A block of these fields, for any connection whose first one began with NO_DYNAMIC_TABLE. */
export function encodeFields(fields: readonly Field[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const [name, value] of fields) {
    const same = STATIC.findIndex((known) => known[0] === name && known[1] === value && value !== "");
    if (same >= 0) {
      parts.push(integer(0x80, 7, same + 1));
      continue;
    }
    const named = STATIC.findIndex((known) => known[0] === name);
    parts.push(integer(0, 4, named + 1));
    if (named < 0) parts.push(...string(name));
    parts.push(...string(value));
  }
  return Buffer.concat(parts);
}

function string(text: string): Uint8Array[] {
  const octets = Buffer.from(text, "latin1");
  return [integer(0, 7, octets.length), octets];
}

/** An integer behind the upper bits of its first octet (5.1). */
function integer(upper: number, prefixBits: number, value: number): Uint8Array {
  const max = 2 ** prefixBits - 1;
  if (value < max) return Uint8Array.of(upper | value);
  const octets = [upper | max];
  let rest = value - max;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) | 0x80);
  return Uint8Array.from([...octets, rest]);
}

class BlockReader {
  readonly #block: Buffer;
  #at = 0;

  constructor(block: Buffer) {
    this.#block = block;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#block.length;
  }

  peek(): number {
    const octet = this.#block[this.#at];
    if (octet === undefined) throw wrong("a header field is cut off");
    return octet;
  }

  /** 5.1; no more than four octets behind the prefix, which is more than any limit of ours. */
  integer(prefixBits: number): number {
    const max = 2 ** prefixBits - 1;
    let value = this.#octet() & max;
    if (value < max) return value;
    for (let shift = 0; shift < 28; shift += 7) {
      const octet = this.#octet();
      value += (octet & 0x7f) * 2 ** shift;
      if (octet < 0x80) return value;
    }
    throw wrong("an integer is too large");
  }

  /** 5.2 */
  string(): string {
    const isCoded = this.peek() >= 0x80;
    const length = this.integer(7);
    const octets = this.#block.subarray(this.#at, this.#at + length);
    if (octets.length < length) throw wrong("a header field is cut off");
    this.#at += length;
    const decoded = isCoded ? huffmanDecoded(octets) : octets;
    if (decoded === undefined) throw wrong("a header field is not in the Huffman code");
    return decoded.toString("latin1");
  }

  #octet(): number {
    const octet = this.peek();
    this.#at++;
    return octet;
  }
}

function sizeOf([name, value]: Field): number {
  return name.length + value.length + FIELD_BYTES;
}

function wrong(message: string): Http2Error {
  return new Http2Error("COMPRESSION_ERROR", message);
}

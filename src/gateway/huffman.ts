// SPDX-License-Identifier: Apache-2.0
// The Huffman code of HPACK (RFC 7541, 5.2 and appendix B). We read it and do not write it.

/** How long each octet's code is, in bits; behind them that of EOS (appendix B). */
const CODE_BITS = [
  [13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28],
  [28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  [6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6],
  [5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  [13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
  [7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  [15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5],
  [6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  [20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23],
  [24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  [22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23],
  [21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  [26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25],
  [19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  [20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
  [26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
  [30],
].flat();

const EOS = 256;
const MAX_BITS = 30;
const EOS_CODE = EOS | (MAX_BITS << 9);

/** Codes of this length and shorter ones, which text is made of, are found by one look into SHORT. */
const SHORT_BITS = 8;

/** The code is canonical: codes of one length are consecutive numbers, in the order of their octets, after all shorter ones. */
const BY_CODE = CODE_BITS.map((_, symbol) => symbol).toSorted(
  (a, b) => (CODE_BITS[a] ?? 0) - (CODE_BITS[b] ?? 0) || a - b,
);
/** By length: the first code, and where its symbol stands in BY_CODE; and how many codes there are. */
const FIRST_CODE = new Uint32Array(MAX_BITS + 1);
const FIRST_INDEX = new Uint16Array(MAX_BITS + 1);
const COUNT = new Uint16Array(MAX_BITS + 1);
/** By the next eight bits: the symbol, and above its nine bits the length of its code; 0 for longer codes. */
const SHORT = new Uint16Array(1 << SHORT_BITS);

for (const bits of CODE_BITS) COUNT[bits] = (COUNT[bits] ?? 0) + 1;
for (let bits = 1, code = 0, index = 0; bits <= MAX_BITS; bits++) {
  FIRST_CODE[bits] = code;
  FIRST_INDEX[bits] = index;
  for (const symbol of BY_CODE.slice(index, index + (COUNT[bits] ?? 0))) {
    const rest = SHORT_BITS - bits;
    if (rest >= 0) SHORT.fill(symbol | (bits << 9), code << rest, (code + 1) << rest);
    code++;
    index++;
  }
  code *= 2;
}

/** The octets that a Huffman-coded string stands for, or undefined when it is not one (RFC 7541, 5.2). */
export function huffmanDecoded(coded: Uint8Array): Buffer | undefined {
  const total = coded.length * 8;
  // The shortest code has five bits.
  const octets = Buffer.allocUnsafe(Math.floor(total / 5));
  let length = 0;
  let at = 0;
  for (;;) {
    const next = bitsFrom(coded, at);
    const left = total - at;
    const code = SHORT[next >>> (32 - SHORT_BITS)] || longCode(next);
    const bits = code >> 9;
    if (bits <= left && code !== EOS_CODE) {
      // An octet takes the lower eight bits of it.
      octets[length++] = code;
      at += bits;
      continue;
    }
    // What is left is padding: fewer than eight bits, the first ones of EOS, which are all ones.
    const isPadding = left < 8 && next >>> (32 - 8) >= 0x100 - 2 ** (8 - left);
    return isPadding ? octets.subarray(0, length) : undefined;
  }
}

/** The 32 bits from this one on, with ones behind the end. */
function bitsFrom(bytes: Uint8Array, bit: number): number {
  const at = bit >> 3;
  const shift = bit & 7;
  const four =
    ((bytes[at] ?? 0xff) << 24) |
    ((bytes[at + 1] ?? 0xff) << 16) |
    ((bytes[at + 2] ?? 0xff) << 8) |
    (bytes[at + 3] ?? 0xff);
  return (four << shift) | ((bytes[at + 4] ?? 0xff) >> (8 - shift));
}

/** The symbol whose code these bits begin with, and the length of its code, as in SHORT. */
function longCode(next: number): number {
  for (let bits = SHORT_BITS + 1; bits < MAX_BITS; bits++) {
    const nth = (next >>> (32 - bits)) - (FIRST_CODE[bits] ?? 0);
    if (nth < (COUNT[bits] ?? 0)) return (BY_CODE[(FIRST_INDEX[bits] ?? 0) + nth] ?? EOS) | (bits << 9);
  }
  // All codes of this length begin with the same 28 bits.
  return (BY_CODE[(FIRST_INDEX[MAX_BITS] ?? 0) + ((next >>> 2) & 3)] ?? EOS) | (MAX_BITS << 9);
}

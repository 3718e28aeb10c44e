// SPDX-License-Identifier: Apache-2.0
import type { TrustedSigner } from "../record/signer.ts";

// A log has millions of entries and a handful of them are of interest. A name in a certificate, and a key, are in an entry's
// text in base64, in one of three shapes: by where in a group of three bytes they begin. So they are looked for in the text
// as it came, and only what has one of them is decoded.

const BACKSLASH = 0x5c;
/** A part of a pattern that is shorter would be in too many entries. */
const MIN_PART = 6;

/** Looks for entries that may be by some signers. */
export interface SignerSearch {
  /** The places in these bytes, in order, at which something is that may be one of the signers. */
  places(bytes: Buffer): readonly number[];
}

/** Makes the search for these signers. It finds all of their entries, and a few of others. */
export function signerSearch(signers: readonly TrustedSigner[]): SignerSearch {
  const needles = signers.flatMap((signer) => inBase64(partOf(signer)));
  const places = (bytes: Buffer) => {
    const found: number[] = [];
    for (const needle of needles)
      for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 1)) found.push(at);
    // No body as logs write it has one. With it, somebody could spell base64 in a way that is not found.
    for (let at = bytes.indexOf(BACKSLASH); at >= 0; at = bytes.indexOf(BACKSLASH, at + 1)) found.push(at);
    return found.toSorted((one, other) => one - other);
  };
  return { places };
}

/** Bytes that each key or certificate of a signer has. */
function partOf(signer: TrustedSigner): Buffer {
  switch (signer.kind) {
    case "key":
      // Its coordinate, which a key with a compressed point has too.
      return Buffer.from(signer.publicKey.export({ format: "jwk" }).x ?? "", "base64url");
    case "identity":
      return Buffer.from(signer.identity);
    case "identity-pattern": {
      const parts = signer.pattern.split(/\*+/).toSorted((one, other) => other.length - one.length);
      const [longest = ""] = parts;
      return Buffer.from(longest.length < MIN_PART ? signer.issuer : longest);
    }
  }
}

/** The characters that these bytes surely make in base64, for each place in a group of three at which they may begin. */
function inBase64(part: Buffer): readonly Buffer[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), part])
      .toString("base64")
      .replace(/=+$/, "");
    const isWhole = (before + part.length) % 3 === 0;
    // The first characters have bits of what is before, the last one has bits of what is behind.
    return Buffer.from(text.slice(before === 0 ? 0 : before + 1, isWhole ? undefined : -1));
  });
}

// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";

/** A digest that is a sha256, as everything we compute and record is. */
export type Sha256 = `sha256:${string}`;
/** An image digest as OCI image-spec's descriptor allows it: algorithm and lower-case hex of the full length. */
export type Digest = Sha256 | `sha384:${string}` | `sha512:${string}`;

const HEX_LENGTH = { sha256: 64, sha384: 96, sha512: 128 } as const;

/** Text that is not a digest; the message says which rule it breaks. */
export class DigestError extends Error {
  override readonly name = "DigestError";
}

/** Reads `algorithm:hex`. Throws DigestError for anything but sha256, sha384 or sha512 with lower-case hex of full length. */
export function parseDigest(text: string): Digest {
  const colon = text.indexOf(":");
  const algorithm = text.slice(0, colon);
  const hex = text.slice(colon + 1);
  if (algorithm !== "sha256" && algorithm !== "sha384" && algorithm !== "sha512") {
    throw new DigestError(`digest algorithm is not sha256, sha384 or sha512: "${text.slice(0, 160)}"`);
  }
  if (hex.length !== HEX_LENGTH[algorithm] || !/^[0-9a-f]+$/.test(hex)) {
    throw new DigestError(
      `digest is not ${HEX_LENGTH[algorithm]} lower-case hex digits after "${algorithm}:": "${text.slice(0, 160)}"`,
    );
  }
  return `${algorithm}:${hex}`;
}

/** Whether these bytes have this digest, by whatever algorithm it names. */
export function hasDigest(bytes: Uint8Array, digest: Digest): boolean {
  const [algorithm = "", hex] = digest.split(":");
  return createHash(algorithm).update(bytes).digest("hex") === hex;
}

/** The sha256 digest of these bytes (a string is taken as UTF-8). */
export function sha256(bytes: Uint8Array | string): Sha256 {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

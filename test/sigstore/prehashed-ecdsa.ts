// SPDX-License-Identifier: Apache-2.0
import { ASN1Obj } from "@sigstore/core";
import type { KeyObject } from "node:crypto";

// node:crypto hashes what it verifies, but a hashedrekord entry holds only the hash. So the
// verification of FIPS 186-5 section 6.4.2 is written out here, for P-256. Everything in it is
// public, and nothing here signs: neither constant time nor side channels matter.

type Point = readonly [x: bigint, y: bigint] | undefined; // undefined is the point at infinity

const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const G: Point = [
  0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
  0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
];

/** Whether a DER signature of a P-256 key verifies for this sha256 digest; false for any other key or a malformed signature. */
export function verifiesP256Digest(key: KeyObject, digest: Buffer, signature: Buffer): boolean {
  if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1" || digest.length !== 32) return false;
  const parsed = parseSignature(signature);
  if (parsed === undefined) return false;
  const [r, s] = parsed;
  if (r <= 0n || r >= N || s <= 0n || s >= N) return false;
  const inverse = invert(s, N);
  const sum = sumOfProducts(modulo(toInteger(digest) * inverse, N), modulo(r * inverse, N), publicPoint(key));
  return sum !== undefined && sum[0] % N === r;
}

/** u1 times the base point plus u2 times the key, bit by bit for both at once. */
function sumOfProducts(u1: bigint, u2: bigint, point: Point): Point {
  const both = add(G, point);
  let sum: Point;
  for (let bit = 255n; bit >= 0n; bit--) {
    sum = add(sum, sum);
    const [one, two] = [(u1 >> bit) & 1n, (u2 >> bit) & 1n];
    if (one === 1n && two === 1n) sum = add(sum, both);
    else if (one === 1n) sum = add(sum, G);
    else if (two === 1n) sum = add(sum, point);
  }
  return sum;
}

function add(left: Point, right: Point): Point {
  if (left === undefined) return right;
  if (right === undefined) return left;
  const [x1, y1] = left;
  const [x2, y2] = right;
  if (x1 === x2 && modulo(y1 + y2, P) === 0n) return undefined;
  const slope =
    x1 === x2
      ? modulo((3n * x1 * x1 - 3n) * invert(2n * y1, P), P)
      : modulo((y2 - y1) * invert(x2 - x1, P), P);
  const x = modulo(slope * slope - x1 - x2, P);
  return [x, modulo(slope * (x1 - x) - y1, P)];
}

function invert(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [modulo(value, modulus), modulus, 1n, 0n];
  while (b !== 0n) {
    const quotient = a / b;
    [a, b, x, y] = [b, a - quotient * b, y, x - quotient * y];
  }
  return modulo(x, modulus);
}

function modulo(value: bigint, modulus: bigint): bigint {
  const rest = value % modulus;
  return rest < 0n ? rest + modulus : rest;
}

function parseSignature(signature: Buffer): readonly [bigint, bigint] | undefined {
  try {
    const [r, s] = ASN1Obj.parseBuffer(Buffer.from(signature)).subs;
    if (r === undefined || s === undefined) return undefined;
    const numbers = [toInteger(r.value), toInteger(s.value)] as const;
    // Written anew it must be the same bytes: the parser takes more than DER, and DER has one form only.
    return encodeSignature(...numbers).equals(signature) ? numbers : undefined;
  } catch {
    return undefined;
  }
}

function encodeSignature(r: bigint, s: bigint): Buffer {
  const integers = [r, s].map((number) => {
    const digits = number.toString(16);
    const even = digits.length % 2 === 0 ? digits : `0${digits}`;
    const bytes = Buffer.from(even >= "8" ? `00${even}` : even, "hex");
    return Buffer.concat([Buffer.from([0x02, bytes.length]), bytes]);
  });
  const content = Buffer.concat(integers);
  return Buffer.concat([Buffer.from([0x30, content.length]), content]);
}

function publicPoint(key: KeyObject): Point {
  const { x = "", y = "" } = key.export({ format: "jwk" });
  return [toInteger(Buffer.from(x, "base64url")), toInteger(Buffer.from(y, "base64url"))];
}

function toInteger(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString("hex") || "0"}`);
}

// SPDX-License-Identifier: Apache-2.0
import { ECDH, generateKeyPairSync, type KeyObject } from "node:crypto";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { TrustError } from "../../src/trust/error.ts";
import { parseIdentity, parsePublicKey, readSignerPem, signerName } from "../../src/record/signer.ts";

const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ed25519 = generateKeyPairSync("ed25519");

const pem = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString();
const der = (key: KeyObject): Buffer => key.export({ type: "spki", format: "der" });
const secret = p256.privateKey.export({ type: "pkcs8", format: "pem" }).toString();

describe("a key that may sign records is trusted by the hash of its bytes", () => {
  test.for([
    { row: "P-256", key: p256.publicKey, text: pem(p256.publicKey) },
    { row: "Ed25519", key: ed25519.publicKey, text: pem(ed25519.publicKey) },
    {
      row: "with lines that end in CRLF",
      key: p256.publicKey,
      text: pem(p256.publicKey).replaceAll("\n", "\r\n"),
    },
    { row: "with empty lines around", key: p256.publicKey, text: `\n\n${pem(p256.publicKey)}\n\n` },
    { row: "without a line break at the end", key: p256.publicKey, text: pem(p256.publicKey).trimEnd() },
  ])("$row", ({ key, text }) => {
    const signer = parsePublicKey(text);
    expect(signer).toMatchObject({ kind: "key", fingerprint: sha256(der(key)) });
    expect(signer.publicKey.equals(key)).toBe(true);
  });

  test("also when its point is compressed, as the same key", () => {
    const point = der(p256.publicKey).subarray(-65);
    const short = ECDH.convertKey(point, "prime256v1", undefined, undefined, "compressed");
    // SPKI of P-256 with a point of 33 bytes instead of 65.
    const head = Buffer.from("3039301306072a8648ce3d020106082a8648ce3d030107032200", "hex");
    const body = Buffer.concat([head, Buffer.from(short)]).toString("base64");
    const signer = parsePublicKey(`-----BEGIN PUBLIC KEY-----\n${body}\n-----END PUBLIC KEY-----\n`);
    expect(signer.fingerprint).toBe(sha256(der(p256.publicKey)));
  });

  test("and shown to people by the start of it", () => {
    const signer = parsePublicKey(pem(p256.publicKey));
    expect(signerName(signer)).toBe(`key ${signer.fingerprint.slice(0, 19)}…`);
  });
});

describe("anything else is refused with the reason, and never repeated", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
  const secp256k1 = generateKeyPairSync("ec", { namedCurve: "secp256k1" });

  test.for([
    {
      row: "an RSA key",
      text: pem(rsa.publicKey),
      code: "unfit-key",
      says: "kind rsa (2048 bit); use a P-256 key",
    },
    {
      row: "an RSA key in its own format",
      text: rsa.publicKey.export({ type: "pkcs1", format: "pem" }).toString(),
      code: "unfit-key",
      says: "kind rsa; use a P-256 key",
    },
    {
      row: "a P-384 key",
      text: pem(p384.publicKey),
      code: "unfit-key",
      says: "kind ec (secp384r1); use a P-256",
    },
    {
      row: "a secp256k1 key",
      text: pem(secp256k1.publicKey),
      code: "unfit-key",
      says: "kind ec (secp256k1)",
    },
    {
      row: "an X25519 key",
      text: pem(generateKeyPairSync("x25519").publicKey),
      code: "unfit-key",
      says: "kind x25519",
    },
    { row: "a private key", text: secret, code: "not-a-key", says: "give its public half" },
    {
      row: "an encrypted private key",
      text: secret.replaceAll("PRIVATE", "ENCRYPTED PRIVATE"),
      code: "not-a-key",
      says: "give its public half",
    },
    {
      row: "a certificate",
      text: pem(p256.publicKey).replaceAll("PUBLIC KEY", "CERTIFICATE"),
      code: "not-a-key",
      says: 'is a "CERTIFICATE", not a "PUBLIC KEY"',
    },
    { row: "two keys", text: pem(p256.publicKey).repeat(2), code: "not-a-key", says: "not one PEM block" },
    { row: "nothing", text: "", code: "not-a-key", says: "not one PEM block" },
    { row: "a word", text: "key.pub", code: "not-a-key", says: "not one PEM block" },
    {
      row: "a key without its last line",
      text: pem(p256.publicKey).replace(/-----END.*\n/, ""),
      code: "not-a-key",
      says: "not one PEM block",
    },
    {
      row: "a key cut short",
      text: pem(p256.publicKey).replace(/.{40}\n-----END/, "\n-----END"),
      code: "not-a-key",
      says: "holds none that can be decoded",
    },
    {
      row: "a huge text",
      text: `-----BEGIN PUBLIC KEY-----\n${"A".repeat(1_000_000)}\n-----END PUBLIC KEY-----`,
      code: "not-a-key",
      says: "not one PEM block",
    },
  ] as const)("$row", ({ text, code, says }) => {
    const read = () => parsePublicKey(text);
    expect(read).toThrow(TrustError);
    expect(read).toThrow(expect.objectContaining({ code, message: expect.stringContaining(says) }));
    const [, line = text] = text.split("\n");
    expect(read).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(line || "BEGIN RSA") }),
    );
  });
});

describe("an identity is trusted as certificates name it", () => {
  const issuer = "https://accounts.google.com";
  const identity = "ci@acme.example";

  test("and shown to people with its issuer", () => {
    const signer = parseIdentity({ issuer, identity });
    expect(signer).toEqual({ kind: "identity", issuer, identity });
    expect(signerName(signer)).toBe("ci@acme.example (accounts.google.com)");
  });

  test.for([
    { row: "an empty identity", identity: "", says: "the identity is empty" },
    { row: "an empty issuer", issuer: "", says: "the issuer is empty" },
    {
      row: "an issuer without scheme",
      issuer: "accounts.google.com",
      says: 'the issuer "accounts.google.com" is not a URL',
    },
    { row: "a scheme alone", issuer: "https://", says: "is not a URL" },
    { row: "a pattern", identity: "*@acme.example", says: 'has a "*", but it is compared as a whole' },
    { row: "a blank", identity: "ci@acme.example ", says: "has blanks, or is not ASCII" },
    { row: "a control character", identity: "ci\u001b[2J@acme.example", says: '"ci?[2J@acme.example"' },
    { row: "a letter that looks like another", identity: "c\u0456@acme.example", says: "is not ASCII" },
    { row: "a huge text", identity: "a".repeat(3000), says: "longer than 2048 characters" },
  ])("$row is refused", ({ says, ...given }) => {
    const read = () => parseIdentity({ issuer, identity, ...given });
    expect(read).toThrow(TrustError);
    expect(read).toThrow(
      expect.objectContaining({ code: "not-an-identity", message: expect.stringContaining(says) }),
    );
  });
});

describe("of a logged signer's PEM", () => {
  const block = (label: string, text: string) =>
    `-----BEGIN ${label}-----\n${Buffer.from(text).toString("base64")}\n-----END ${label}-----\n`;
  const leaf = block("CERTIFICATE", "leaf");
  const root = block("CERTIFICATE", "root");

  test.for([
    { row: "one certificate", text: leaf, label: "CERTIFICATE" },
    { row: "one key", text: block("PUBLIC KEY", "leaf"), label: "PUBLIC KEY" },
    { row: "a chain", text: leaf + root, label: "CERTIFICATE" },
    { row: "a chain with empty lines", text: `\n${leaf}\r\n\n${root}\n`, label: "CERTIFICATE" },
  ])("$row is taken by its first block", ({ text, label }) => {
    const read = readSignerPem(text);
    expect(read?.label).toBe(label);
    expect(Buffer.from(read?.der ?? []).toString()).toBe("leaf");
  });

  test.for([
    { row: "two keys", text: block("PUBLIC KEY", "leaf").repeat(2) },
    { row: "a key above a certificate", text: leaf + block("PUBLIC KEY", "root") },
    { row: "a certificate above a key", text: block("PUBLIC KEY", "leaf") + root },
    { row: "a chain with words between", text: `${leaf}words\n${root}` },
    { row: "nine certificates", text: leaf + root.repeat(8) },
    { row: "a huge chain", text: leaf + " ".repeat(40_000) + root },
    { row: "nothing", text: "" },
  ])("$row is not taken", ({ text }) => {
    expect(readSignerPem(text)).toBeUndefined();
  });
});

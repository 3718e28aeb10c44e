// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { describe, expect, test } from "vitest";
import { readSigningKey } from "../../../src/courier/server/signing-key.ts";

const p256 = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const spki = p256.publicKey.export({ type: "spki", format: "pem" }).toString();
const pkcs8 = p256.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const sec1 = p256.privateKey.export({ type: "sec1", format: "pem" }).toString();
const parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";

const inPkcs8 = (pair: { privateKey: typeof p256.privateKey }) =>
  pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const encrypted = { cipher: "aes-256-cbc", passphrase: "hunter2" } as const;
const inEncrypted = (type: "pkcs8" | "sec1") =>
  p256.privateKey.export({ type, format: "pem", ...encrypted }).toString();

describe("a P-256 key signs", () => {
  test.for<{ row: string; pem: string; password?: string }>([
    { row: "as PKCS#8", pem: pkcs8 },
    { row: "as SEC1", pem: sec1 },
    { row: "as openssl ecparam writes it", pem: parameters + sec1 },
    { row: "with CRLF", pem: pkcs8.replaceAll("\n", "\r\n") },
    { row: "with BOM and text around it", pem: `\uFEFFmy key\n${pkcs8}\n\n` },
    { row: "with its public half beside it", pem: spki + pkcs8 },
    { row: "without a line feed at its end", pem: pkcs8.trim() },
    { row: "encrypted, with its password", pem: inEncrypted("pkcs8"), password: "hunter2" },
    { row: "encrypted in its old form", pem: inEncrypted("sec1"), password: "hunter2" },
    {
      row: "encrypted, its password in a file with a line feed",
      pem: inEncrypted("pkcs8"),
      password: "hunter2\n",
    },
    { row: "not encrypted, with a password beside it", pem: pkcs8, password: "hunter2" },
  ])("$row", ({ pem, password }) => {
    const key = readSigningKey(Buffer.from(pem), password === undefined ? undefined : Buffer.from(password));
    expect(key.kind).toBe("P-256");
    expect(key.publicKey).toBe(spki);
    const bytes = Buffer.from("a statement");
    expect(verify("sha256", bytes, createPublicKey(key.publicKey), key.sign(bytes))).toBe(true);
  });
});

test("an Ed25519 key signs, encrypted too", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  for (const options of [{}, encrypted]) {
    const pem = privateKey.export({ type: "pkcs8", format: "pem", ...options }).toString();
    const key = readSigningKey(Buffer.from(pem), Buffer.from("hunter2"));
    expect(key.kind).toBe("Ed25519");
    expect(key.publicKey).toBe(publicKey.export({ type: "spki", format: "pem" }));
    const bytes = Buffer.from("a statement");
    expect(verify(null, bytes, publicKey, key.sign(bytes))).toBe(true);
  }
});

describe("refused, with the reason and what to do", () => {
  test.for([
    { row: "an RSA key", pem: inPkcs8(rsa), code: "unfit", text: "it is an RSA key of 2048 bits" },
    {
      row: "an RSA key in its old form",
      pem: rsa.privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
      code: "unfit",
      text: "it is an RSA key of 2048 bits",
    },
    {
      row: "a P-384 key",
      pem: inPkcs8(generateKeyPairSync("ec", { namedCurve: "secp384r1" })),
      code: "unfit",
      text: "it is an EC key on curve secp384r1",
    },
    {
      row: "a key on Bitcoin's curve",
      pem: inPkcs8(generateKeyPairSync("ec", { namedCurve: "secp256k1" })),
      code: "unfit",
      text: "it is an EC key on curve secp256k1",
    },
    {
      row: "an Ed448 key",
      pem: inPkcs8(generateKeyPairSync("ed448")),
      code: "unfit",
      text: "it is a key of kind ed448, and only P-256 and Ed25519 keys can sign here",
    },
    {
      row: "a key for exchanging keys",
      pem: inPkcs8(generateKeyPairSync("x25519")),
      code: "unfit",
      text: "a key of kind x25519",
    },
    {
      row: "an encrypted key",
      pem: p256.privateKey.export({ type: "pkcs8", format: "pem", ...encrypted }).toString(),
      code: "encrypted",
      text: "it is encrypted",
    },
    {
      row: "an encrypted key in its old form",
      pem: p256.privateKey.export({ type: "sec1", format: "pem", ...encrypted }).toString(),
      code: "encrypted",
      text: 'or the key decrypted ("openssl pkey -in KEY',
    },
    {
      row: "cosign's own encrypted key",
      pem: "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\naHVudGVyMg==\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n",
      code: "encrypted",
      text: "it is encrypted",
    },
    { row: "a public key", pem: spki, code: "public", text: "it is a public key or a certificate" },
    {
      row: "a certificate",
      pem: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
      code: "public",
      text: "a private key is needed",
    },
    { row: "two keys", pem: pkcs8 + sec1, code: "several", text: "it holds 2 private keys" },
    { row: "nothing", pem: "", code: "empty", text: "it is empty" },
    { row: "white space", pem: "\n \r\n", code: "empty", text: "it is empty" },
    { row: "a password", pem: "hunter2", code: "not-pem", text: "it is not a private key in PEM form" },
    {
      row: "DER",
      pem: p256.privateKey.export({ type: "pkcs8", format: "der" }),
      code: "not-pem",
      text: "in PEM form",
    },
    { row: "a key without its end", pem: pkcs8.slice(0, -20), code: "not-pem", text: "in PEM form" },
    {
      row: "a key that is broken",
      pem: "-----BEGIN PRIVATE KEY-----\nhunter2hunter2\n-----END PRIVATE KEY-----\n",
      code: "unreadable",
      text: "cannot be read as one",
    },
    {
      row: "64 KiB and a byte",
      pem: "x".repeat(64 * 1024 + 1),
      code: "too-large",
      text: "larger than 65536 bytes",
    },
  ])("$row ($code)", ({ pem, code, text }) => {
    const read = () => readSigningKey(Buffer.from(pem));
    expect(read).toThrow(expect.objectContaining({ name: "Failure", code: "no-signer" }));
    expect(read).toThrow(`signing-key-${code}: secret "tlog-signing-key" cannot sign: `);
    expect(read).toThrow(text);
    expect(read).toThrow("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256");
    const inside = Buffer.from(pem)
      .toString("latin1")
      .replace(/-----.*?-----/g, "")
      .split(/\s+/)
      .filter((word) => word.length > 5);
    for (const word of inside) expect(read).not.toThrow(word);
    expect(read).not.toThrow(expect.objectContaining({ cause: expect.anything() as unknown }));
  });

  test("a huge file of PEM beginnings takes no long time", () => {
    const begun = performance.now();
    expect(() => readSigningKey(Buffer.from("-----BEGIN A KEY-----\n- ".repeat(2_600)))).toThrow("PEM");
    expect(performance.now() - begun).toBeLessThan(1_000);
  });
});

test.for(["hunter3", "", "hunter2\n\n"])(
  "the wrong password %j opens nothing, and is not shown",
  (password) => {
    const read = () => readSigningKey(Buffer.from(inEncrypted("pkcs8")), Buffer.from(password));
    expect(read).toThrow("signing-key-wrong-password: ");
    expect(read).toThrow('it is encrypted, and "tlog-signing-password" does not open it');
    expect(read).not.toThrow("hunter");
  },
);

// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { isIntotoBodyOf } from "../../src/log/rekor-v1.ts";

const payload = Buffer.from("{}");
const signature = Buffer.from("a signature");
const pem = "-----BEGIN PUBLIC KEY-----\nAAAABBBB\nCCCC\n-----END PUBLIC KEY-----\n";
const sent = { payload, signature, verifier: pem };
const twice = (text: string) => Buffer.from(Buffer.from(text).toString("base64")).toString("base64");
const once = (text: string) => Buffer.from(text).toString("base64");

interface Change {
  readonly hash?: string;
  readonly signatures?: readonly object[];
  readonly kind?: string;
  readonly version?: string;
}

function body({ hash, signatures, kind = "intoto", version = "0.0.2" }: Change = {}): Buffer {
  const value = hash ?? createHash("sha256").update(payload).digest("hex");
  const envelope = {
    payloadType: "application/vnd.in-toto+json",
    signatures: signatures ?? [{ sig: twice("a signature"), publicKey: once(pem) }],
  };
  const content = { envelope, payloadHash: { algorithm: "sha256", value } };
  return Buffer.from(JSON.stringify({ apiVersion: version, kind, spec: { content } }));
}

describe("an entry is the one that was sent", () => {
  test.for([
    { row: "as it was sent", bytes: body() },
    {
      row: "with the key's lines written anew",
      bytes: body({
        signatures: [{ sig: twice("a signature"), publicKey: once(pem.replaceAll("\n", "\r\n")) }],
      }),
    },
  ])("$row", ({ bytes }) => {
    expect(isIntotoBodyOf(bytes, sent)).toBe(true);
  });
});

describe("an entry is another one", () => {
  const good = { sig: twice("a signature"), publicKey: once(pem) };
  test.for([
    { row: "of another payload", bytes: body({ hash: "ab".repeat(32) }) },
    { row: "of another signature", bytes: body({ signatures: [{ ...good, sig: twice("another one") }] }) },
    {
      row: "of a signature encoded once",
      bytes: body({ signatures: [{ ...good, sig: once("a signature") }] }),
    },
    {
      row: "of another key",
      bytes: body({ signatures: [{ ...good, publicKey: once(pem.replace("CCCC", "DDDD")) }] }),
    },
    { row: "with a second signature", bytes: body({ signatures: [good, good] }) },
    { row: "with no signature", bytes: body({ signatures: [] }) },
    { row: "of another kind", bytes: body({ kind: "dsse" }) },
    { row: "of another version", bytes: body({ version: "0.0.1" }) },
    { row: "that is not JSON", bytes: Buffer.from("{") },
    { row: "that is null", bytes: Buffer.from("null") },
  ])("$row", ({ bytes }) => {
    expect(isIntotoBodyOf(bytes, sent)).toBe(false);
  });
});

// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readSigningSecret, SIGNING_SECRET } from "../../src/courier/signing-secret.ts";

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "tlog-secrets-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

test("a key in its file can sign", () => {
  const path = directory();
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  writeFileSync(join(path, SIGNING_SECRET), privateKey.export({ type: "pkcs8", format: "pem" }));
  const { key, problem } = readSigningSecret(path);
  expect(key?.publicKey).toContain("BEGIN PUBLIC KEY");
  expect(problem).toBeUndefined();
});

test.for([{ row: "file" }, { row: "directory" }])("no $row is no secret, and no problem", ({ row }) => {
  const path = directory();
  expect(readSigningSecret(row === "file" ? path : join(path, "none"))).toEqual({});
});

test("a file that is no key is a problem with its code, and shows nothing of it", () => {
  const path = directory();
  writeFileSync(join(path, SIGNING_SECRET), "hunter2");
  const { key, problem } = readSigningSecret(path);
  expect(key).toBeUndefined();
  expect(problem).toMatch(
    /^signing-key-not-pem: secret "tlog-signing-key" cannot sign: it is not a private key in PEM/,
  );
  expect(problem).not.toContain("hunter2");
});

test("a file over 64 KiB is not read to its end", () => {
  const path = directory();
  writeFileSync(join(path, SIGNING_SECRET), Buffer.alloc(1024 * 1024, "a"));
  expect(readSigningSecret(path).problem).toContain("signing-key-too-large: ");
});

test("what is no file is a problem", () => {
  const path = directory();
  mkdirSync(join(path, SIGNING_SECRET));
  expect(readSigningSecret(path).problem).toBe(
    'signing-key-unreadable: secret "tlog-signing-key" cannot be read: EISDIR',
  );
});

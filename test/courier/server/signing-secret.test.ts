// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { SECRET_NAMES } from "../../../src/courier/protocol.ts";
import { readSigningSecret } from "../../../src/courier/server/signing-secret.ts";
import { within } from "../local-server.ts";

const read = (path: string, now = new Date()) =>
  readSigningSecret(path, { now: () => now, signal: within(5_000) });

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "tlog-secrets-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

test("a key in its file can sign", async () => {
  const path = directory();
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  writeFileSync(join(path, SECRET_NAMES.key), privateKey.export({ type: "pkcs8", format: "pem" }));
  const { key, problem } = await read(path);
  expect(key?.publicKey).toContain("BEGIN PUBLIC KEY");
  expect(problem).toBeUndefined();
});

test.for([{ row: "file" }, { row: "directory" }])("no $row is no secret, and no problem", async ({ row }) => {
  const path = directory();
  expect(await read(row === "file" ? path : join(path, "none"))).toEqual({});
});

test("a file that is no key is a problem with its code, and shows nothing of it", async () => {
  const path = directory();
  writeFileSync(join(path, SECRET_NAMES.key), "hunter2");
  const { key, problem } = await read(path);
  expect(key).toBeUndefined();
  expect(problem).toMatch(
    /^signing-key-not-pem: secret "tlog-signing-key" cannot sign: it is not a private key in PEM/,
  );
  expect(problem).not.toContain("hunter2");
});

test("a file over 64 KiB is not read to its end", async () => {
  const path = directory();
  writeFileSync(join(path, SECRET_NAMES.key), Buffer.alloc(1024 * 1024, "a"));
  expect((await read(path)).problem).toContain("signing-key-too-large: ");
});

test("what is no file is a problem", async () => {
  const path = directory();
  mkdirSync(join(path, SECRET_NAMES.key));
  expect((await read(path)).problem).toBe(
    'signing-key-unreadable: secret "tlog-signing-key" cannot be read: EISDIR',
  );
});

// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LoggedEntry } from "../sigstore/rekor-v1-log.ts";
import {
  newSigningKey,
  proposeHashedrekord,
  proposeIntoto,
  publicPem,
  sha256Of,
  statementAbout,
} from "../sigstore/signed-statement.ts";
import { startSigstore, type Sigstore } from "../sigstore/sigstore.ts";
import { rekorCli } from "./lab/rekor-cli.ts";

const SUBJECT = "docker.io/library/alpine:3.16.0";
const key = newSigningKey();
const statement = statementAbout(SUBJECT);
const home = mkdtempSync(join(tmpdir(), "rekor-cli-"));
const publicKeyFile = join(home, "key.pub");
let program: string;
let sigstore: Sigstore;
let logged: LoggedEntry;

beforeAll(async () => {
  program = await rekorCli();
  sigstore = await startSigstore();
  for (let i = 0; i < 3; i++) sigstore.log.append(proposeIntoto(statementAbout(`before:${i}`), key));
  logged = sigstore.log.append(proposeIntoto(statement, key));
  for (let i = 0; i < 3; i++) sigstore.log.append(proposeIntoto(statementAbout(`after:${i}`), key));
  writeFileSync(publicKeyFile, publicPem(key));
});
afterAll(async () => {
  await sigstore.close();
  rmSync(home, { recursive: true });
});

interface Result {
  readonly code: number;
  readonly output: string;
}

/** Runs rekor-cli against our log; its state is kept in a home of its own. */
function run(...args: readonly string[]): Promise<Result> {
  return new Promise((resolve) => {
    const all = [...args, "--rekor_server", sigstore.url, "--format", "json"];
    const options = { env: { HOME: home }, timeout: 60_000 };
    execFile(program, all, options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : 1, output: error === null ? stdout : stderr }),
    );
  });
}

async function succeed(...args: readonly string[]): Promise<unknown> {
  const { code, output } = await run(...args);
  expect({ code, output }).toEqual({ code: 0, output: expect.any(String) });
  return JSON.parse(output) as unknown;
}

test("search finds an entry by the digest of its subject", async () => {
  expect(await succeed("search", "--sha", sha256Of(SUBJECT))).toEqual({ UUIDs: [logged.uuid] });
});

test("search finds a hashedrekord entry by its public key", async () => {
  const own = newSigningKey();
  const file = join(home, "own.pub");
  writeFileSync(file, publicPem(own));
  const { uuid } = sigstore.log.append(proposeHashedrekord(Buffer.from("content"), own));
  const found = await succeed("search", "--public-key", file, "--pki-format", "x509");
  expect(found).toEqual({ UUIDs: [uuid] });
});

test.for([
  { by: "UUID", args: () => ["--uuid", logged.uuid] },
  { by: "index", args: () => ["--log-index", logged.logIndex.toString()] },
])("get reads an entry by $by, verifies it, and shows the statement", async ({ args }) => {
  expect(await succeed("get", ...args())).toMatchObject({
    UUID: logged.uuid,
    LogIndex: logged.logIndex,
    IntegratedTime: logged.integratedTime,
    Attestation: statement.toString(),
    Body: { IntotoObj: { content: { payloadHash: { algorithm: "sha256", value: sha256Of(statement) } } } },
  });
});

test("loginfo verifies the tree head, and its consistency with the one before when the log has grown", async () => {
  const treeSize = sigstore.log.size;
  expect(await succeed("loginfo")).toMatchObject({ ActiveTreeSize: treeSize, TreeID: sigstore.log.treeId });
  sigstore.log.append(proposeIntoto(statementAbout("grown:1"), key));
  const asked = sigstore.requests.length;
  const rootHash = sigstore.log.tree.root().toString("hex");
  expect(await succeed("loginfo")).toMatchObject({ ActiveTreeSize: treeSize + 1, RootHash: rootHash });
  expect(sigstore.requests.slice(asked)).toContain("GET /api/v1/log/proof");
});

test("loginfo notices a log that was written anew", async () => {
  await succeed("loginfo");
  sigstore.log.append(proposeIntoto(statementAbout("grown:2"), key));
  sigstore.misbehave({
    path: "/api/v1/log/proof",
    times: 1,
    fault: {
      kind: "rewrite",
      change: (response) => ({
        ...response,
        body: String(response.body).replaceAll(/[0-9a-f]{64}/g, "00".repeat(32)),
      }),
    },
  });
  expect(await run("loginfo")).toEqual({
    code: 1,
    output: expect.stringContaining("does not match expected root"),
  });
  await succeed("loginfo");
});

test("logproof shows the proof between two sizes", async () => {
  const hashes = sigstore.log.tree.consistencyProof(3, 6).map((hash) => hash.toString("hex"));
  expect(await succeed("logproof", "--first-size", "3", "--last-size", "6")).toMatchObject({
    Hashes: hashes,
  });
});

test("verify checks inclusion, checkpoint and entry timestamp", async () => {
  expect(await succeed("verify", "--uuid", logged.uuid)).toMatchObject({
    EntryUUID: logged.uuid,
    Index: 3,
    Size: sigstore.log.size,
  });
});

test("verify finds a file by hash, signature and key", async () => {
  const content = Buffer.from("signed content");
  const proposed = proposeHashedrekord(content, key);
  sigstore.log.append(proposed);
  const signature = join(home, "content.sig");
  writeFileSync(signature, Buffer.from(proposed.spec.signature.content, "base64"));
  const files = [
    "--artifact-hash",
    sha256Of(content),
    "--signature",
    signature,
    "--public-key",
    publicKeyFile,
  ];
  const verified = await succeed("verify", "--type", "hashedrekord", "--pki-format", "x509", ...files);
  expect(verified).toMatchObject({ Size: sigstore.log.size });
});

test.for([
  {
    what: "time",
    change: (body: string) => body.replace(/"integratedTime":\d/, '"integratedTime":9'),
    says: "unable to verify bundle: invalid signature",
  },
  {
    what: "index",
    change: (body: string) => body.replace(/"logIndex":\d+,"/, '"logIndex":5,"'),
    says: "unable to verify bundle: invalid signature",
  },
  {
    what: "proof",
    change: (body: string) => body.replace(/"hashes":\["[0-9a-f]{8}/, '"hashes":["00000000'),
    says: "does not match expected root",
  },
  {
    what: "checkpoint",
    change: (body: string) => body.replace(/(127\.0\.0\.1 - \d+\\n)\d+/, "$19"),
    says: "signature on checkpoint did not verify",
  },
])("verify refuses an entry with another $what", async ({ change, says }) => {
  sigstore.misbehave({
    path: "/api/v1/log/entries/retrieve",
    times: 1,
    fault: { kind: "rewrite", change: (response) => ({ ...response, body: change(String(response.body)) }) },
  });
  expect(await run("verify", "--uuid", logged.uuid)).toEqual({
    code: 1,
    output: expect.stringContaining(says),
  });
  expect((await run("verify", "--uuid", logged.uuid)).code).toBe(0);
});

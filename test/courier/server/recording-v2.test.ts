// SPDX-License-Identifier: Apache-2.0
import { createHash, generateKeyPairSync } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { sendHttp } from "../../../src/courier/server/http.ts";
import { keySigner } from "../../../src/courier/server/signers.ts";
import { recordBundle } from "../../../src/courier/server/recording.ts";
import { readSigningKey } from "../../../src/courier/server/signing-key.ts";
import { logUrl } from "../../../src/log/json-api.ts";
import type { Fault } from "../../sigstore/faults.ts";
import { startSigstore, type Sigstore } from "../../sigstore/sigstore.ts";
import { closedPort, within } from "../local-server.ts";
import { verifiedBundle } from "../verified-bundle.ts";

const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const key = readSigningKey(Buffer.from(pair.privateKey.export({ type: "pkcs8", format: "pem" })));
const statement = Buffer.from(JSON.stringify({ _type: "https://in-toto.io/Statement/v1", predicate: {} }));

async function sigstore(): Promise<Sigstore> {
  const started = await startSigstore();
  onTestFinished(() => started.close());
  return started;
}

const record = (log: string, { timestamps = [log], ms = 5_000 } = {}) =>
  recordBundle(sendHttp, {
    log: logUrl(log),
    timestamps,
    statement,
    signer: keySigner(key),
    signal: within(ms),
  });

describe("a statement is recorded in a Rekor v2 log", () => {
  test("and the bundle proves it without the log", async () => {
    const server = await sigstore();
    const bundle = await record(server.url);
    expect(verifiedBundle(bundle, server, pair.publicKey)).toEqual({
      identity: undefined,
      payload: statement,
    });
    expect(server.requests).toEqual(["POST /api/v1/timestamp", "POST /api/v2/log/entries"]);
    const der = pair.publicKey.export({ type: "spki", format: "der" });
    expect(bundle).toMatchObject({
      mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
      verificationMaterial: { publicKey: { hint: createHash("sha256").update(der).digest("base64") } },
      dsseEnvelope: { signatures: [{ keyid: "" }] },
    });
  });
});

/** A whole entry's body, of somebody else's signature. */
const OTHER_BODY = Buffer.from(
  JSON.stringify({
    apiVersion: "0.0.2",
    kind: "hashedrekord",
    spec: {
      hashedRekordV002: {
        data: { algorithm: "SHA2_256", digest: Buffer.alloc(32).toString("base64") },
        signature: {
          content: "AAAA",
          verifier: { keyDetails: "PKIX_ECDSA_P256_SHA_256", publicKey: { rawBytes: "AAAA" } },
        },
      },
    },
  }),
).toString("base64");

const ENTRIES = "/api/v2/log/entries";
const TIMESTAMP = "/api/v1/timestamp";

describe("once more", () => {
  test("when the log fails for a moment", async () => {
    const server = await sigstore();
    server.misbehave({ path: ENTRIES, times: 1, fault: { kind: "answer", status: 503, body: "" } });
    verifiedBundle(await record(server.url), server, pair.publicKey);
    expect(server.logV2.size).toBe(1);
  });

  test("with a new signature, when the answer is lost and the log then says that it has the entry", async () => {
    const server = await sigstore();
    server.misbehave({ path: ENTRIES, times: 1, fault: { kind: "lose" } });
    const bundle = await record(server.url);
    expect(verifiedBundle(bundle, server, pair.publicKey).payload).toEqual(statement);
    expect(server.logV2.size).toBe(2);
    expect(server.requests).toEqual([
      `POST ${TIMESTAMP}`,
      `POST ${ENTRIES}`,
      `POST ${ENTRIES}`,
      `POST ${TIMESTAMP}`,
      `POST ${ENTRIES}`,
    ]);
  });

  test("and no more than once, when the log has every entry already", async () => {
    const server = await sigstore();
    server.misbehave({ path: ENTRIES, fault: { kind: "answer", status: 409, body: "{}" } });
    await expect(record(server.url)).rejects.toMatchObject({
      name: "LogError",
      code: "refused",
      status: 409,
    });
    expect(server.requests.filter((request) => request.endsWith(ENTRIES))).toHaveLength(2);
  });
});

test("the log may take long, as one that waits for its next signed tree does", async () => {
  const server = await sigstore();
  server.misbehave({ path: ENTRIES, fault: { kind: "delay", ms: 2_000 } });
  verifiedBundle(await record(server.url, { ms: 10_000 }), server, pair.publicKey);
});

describe("nothing is logged", () => {
  test("without a timestamp authority, because nothing would prove the time", async () => {
    const server = await sigstore();
    const done = record(server.url, { timestamps: [] });
    await expect(done).rejects.toMatchObject({ name: "LogError", code: "refused" });
    await expect(done).rejects.toThrow(
      `write to ${server.url}/: a Rekor v2 log proves no time, so a record in it takes a timestamp authority, and none is named`,
    );
    expect(server.requests).toEqual([]);
  });

  test("when no authority gives a timestamp", async () => {
    const server = await sigstore();
    server.misbehave({ path: TIMESTAMP, fault: { kind: "answer", status: 400, body: "{}" } });
    await expect(record(server.url)).rejects.toMatchObject({ name: "Failure", code: "refused" });
    expect(server.logV2.size).toBe(0);
  });
});

describe("no bundle is given", () => {
  const rewrite = (change: (entry: Record<string, unknown>) => unknown) =>
    ({
      kind: "rewrite",
      change: (answer) => ({
        ...answer,
        body: JSON.stringify(change(JSON.parse(answer.body.toString()) as Record<string, unknown>)),
      }),
    }) satisfies Fault;

  test.for<{ row: string; fault: Fault; code: string; text: string }>([
    {
      row: "refuses the entry",
      fault: { kind: "answer", status: 400, body: '{"code":3,"message":"invalid hashedrekord request"}' },
      code: "refused",
      text: "invalid hashedrekord request",
    },
    {
      row: "is frozen",
      fault: { kind: "answer", status: 405, body: '{"message":"This log has been frozen"}' },
      code: "refused",
      text: "This log has been frozen",
    },
    {
      row: "always fails",
      fault: { kind: "answer", status: 500, body: "" },
      code: "unreachable",
      text: "status 500",
    },
    {
      row: "answers HTML",
      fault: { kind: "answer", status: 201, body: "<p>" },
      code: "bad-answer",
      text: "not JSON",
    },
    {
      row: "answers without a proof",
      fault: rewrite(({ inclusionProof, ...entry }) => ({ ...entry, was: inclusionProof })),
      code: "bad-answer",
      text: '"inclusionProof" is wrong',
    },
    {
      row: "answers for another entry",
      fault: rewrite((entry) => ({ ...entry, canonicalizedBody: OTHER_BODY })),
      code: "bad-answer",
      text: "is for another entry than the one it was sent",
    },
    {
      row: "answers too much",
      fault: { kind: "oversize", bytes: 300_000 },
      code: "bad-answer",
      text: "larger than 262144 bytes",
    },
  ])("when the log $row ($code)", async ({ fault, code, text }) => {
    const server = await sigstore();
    server.misbehave({ path: ENTRIES, fault });
    const done = record(server.url);
    await expect(done).rejects.toMatchObject({ code });
    await expect(done).rejects.toThrow(`POST ${server.url}${ENTRIES}: `);
    await expect(done).rejects.toThrow(text);
  });

  test("when the log is down", async () => {
    const server = await sigstore();
    const { href } = await closedPort();
    const done = record(href, { timestamps: [server.url], ms: 1_000 });
    await expect(done).rejects.toMatchObject({ name: "HttpError", reason: "no-connection" });
  });

  test("when the log does not answer in time", async () => {
    const server = await sigstore();
    server.misbehave({ path: ENTRIES, fault: { kind: "delay", ms: 5_000 } });
    await expect(record(server.url, { ms: 300 })).rejects.toMatchObject({
      name: "HttpError",
      reason: "timeout",
    });
  });
});

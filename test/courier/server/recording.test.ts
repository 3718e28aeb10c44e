// SPDX-License-Identifier: Apache-2.0
import { createHash, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { sendHttp } from "../../../src/courier/server/http.ts";
import { keySigner } from "../../../src/courier/server/signers.ts";
import { readSigningKey } from "../../../src/courier/server/signing-key.ts";
import { logUrl } from "../../../src/log/json-api.ts";
import type { FaultRule } from "../../sigstore/faults.ts";
import { startSigstore, type Sigstore } from "../../sigstore/sigstore.ts";
import { recordStatement } from "../../../src/courier/server/recording.ts";
import { closedPort, within } from "../local-server.ts";

const pair = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const key = readSigningKey(Buffer.from(pair.privateKey.export({ type: "pkcs8", format: "pem" })));
const statement = Buffer.from(
  JSON.stringify({
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ name: "example", digest: { sha256: createHash("sha256").update("example").digest("hex") } }],
    predicateType: "https://example.org/predicate",
    predicate: {},
  }),
);

async function sigstore(): Promise<Sigstore> {
  const started = await startSigstore();
  onTestFinished(() => started.close());
  return started;
}

const record = async (url: string, deadlineMs = 5_000) => {
  const { uuid } = await recordStatement(sendHttp, {
    log: logUrl(url),
    statement,
    signer: keySigner(key),
    signal: within(deadlineMs),
  });
  return uuid;
};

const ENTRIES = /^\/api\/v1\/log\/entries$/;

describe("a statement is recorded", () => {
  test("signed, with its bytes, as one intoto entry whose UUID is the answer", async () => {
    const { url, log } = await sigstore();
    const uuid = await record(url);
    expect(log.entries.map((entry) => entry.uuid)).toEqual([uuid]);
    const [entry] = log.entries;
    const body = JSON.parse(entry?.body.toString() ?? "") as {
      kind: string;
      apiVersion: string;
      spec: {
        content: {
          envelope: { payloadType: string; signatures: { sig: string; publicKey: string; keyid?: string }[] };
        };
      };
    };
    expect(body).toMatchObject({ kind: "intoto", apiVersion: "0.0.2" });
    const { payloadType, signatures } = body.spec.content.envelope;
    expect(payloadType).toBe("application/vnd.in-toto+json");
    expect(signatures).toHaveLength(1);
    expect(signatures[0]?.keyid ?? "").toBe("");
    expect(entry && log.attestation(entry)).toEqual(statement);

    const signature = Buffer.from(Buffer.from(signatures[0]?.sig ?? "", "base64").toString(), "base64");
    const publicKey = createPublicKey(Buffer.from(signatures[0]?.publicKey ?? "", "base64"));
    const signed = Buffer.from(
      `DSSEv1 ${payloadType.length} ${payloadType} ${statement.length} ${statement.toString()}`,
    );
    expect(verify("sha256", signed, publicKey, signature)).toBe(true);
    expect(publicKey.equals(pair.publicKey)).toBe(true);
  });

  test("also when the log fails for a moment", async () => {
    const server = await sigstore();
    server.misbehave({ path: ENTRIES, times: 1, fault: { kind: "answer", status: 503, body: "" } });
    const uuid = await record(server.url);
    expect(server.log.entries.map((entry) => entry.uuid)).toEqual([uuid]);
  });

  test("once, when the log's answer is lost and it says then that it has the entry", async () => {
    const server = await sigstore();
    server.misbehave({ method: "POST", path: ENTRIES, times: 1, fault: { kind: "lose" } });
    const uuid = await record(server.url);
    expect(server.log.entries.map((entry) => entry.uuid)).toEqual([uuid]);
    expect(server.requests).toEqual([
      "POST /api/v1/log/entries",
      "POST /api/v1/log/entries",
      `GET /api/v1/log/entries/${uuid}`,
    ]);
  });
});

describe("no UUID is given", () => {
  test.for([
    {
      row: "the log refuses the entry",
      answer: { status: 400, body: '{"code":400,"message":"bad signature\\u0007"}' },
      code: "refused",
      text: 'the log answered status 400, content type "application/json", "{"code":400,"message":"bad signature\\u0007"}"',
    },
    {
      row: "the log always fails",
      answer: { status: 500, body: "oops", contentType: "text/plain" },
      code: "unreachable",
      text: 'status 500, content type "text/plain", "oops"',
    },
    {
      row: "the log has had enough",
      answer: { status: 429, body: "" },
      code: "unreachable",
      text: "status 429",
    },
    {
      row: "the answer is HTML",
      answer: { status: 201, body: "<html>", contentType: "text/html" },
      code: "bad-answer",
      text: "the answer is not JSON",
    },
    {
      row: "the answer is null",
      answer: { status: 201, body: "null" },
      code: "bad-answer",
      text: "the answer is not one entry by its UUID",
    },
    {
      row: "the answer is two entries",
      answer: { status: 201, body: '{"a":{},"b":{}}' },
      code: "bad-answer",
      text: "the answer is not one entry by its UUID",
    },
    {
      row: "the entry has no UUID",
      answer: { status: 201, body: '{"a":{}}' },
      code: "bad-answer",
      text: "the answer is not one entry by its UUID",
    },
    {
      row: "the entry is empty",
      answer: { status: 201, body: `{"${"0".repeat(64)}":{}}` },
      code: "bad-answer",
      text: "the log answered for another entry than the one it was sent",
    },
    {
      row: "the log has no such path",
      answer: { status: 404, body: "" },
      code: "refused",
      text: "status 404",
    },
    {
      row: "the log has the entry and does not say where",
      answer: { status: 409, body: "" },
      code: "refused",
      text: "status 409",
    },
    { row: "the log redirects", answer: { status: 302, body: "" }, code: "bad-answer", text: "status 302" },
  ])("when $row ($code)", async ({ answer, code, text }) => {
    const server = await sigstore();
    server.misbehave({ method: "POST", path: ENTRIES, fault: { kind: "answer", ...answer } });
    const done = record(server.url);
    await expect(done).rejects.toMatchObject({ name: "LogError", code });
    await expect(done).rejects.toThrow(`POST ${server.url}/api/v1/log/entries: `);
    await expect(done).rejects.toThrow(text);
  });

  const rewritten = (change: (text: string) => string): FaultRule => ({
    method: "POST",
    path: ENTRIES,
    fault: {
      kind: "rewrite",
      change: (answer) => ({ ...answer, body: change(answer.body.toString()) }),
    },
  });

  test("when the log answers with another entry's UUID", async () => {
    const server = await sigstore();
    const other = await record(server.url);
    server.misbehave(rewritten((text) => text.replace(/^\{"[0-9a-f]+"/, `{"${other}"`)));
    await expect(record(server.url)).rejects.toMatchObject({
      code: "bad-answer",
      message: expect.stringContaining(`the log answered UUID "${other}" for the entry`) as string,
    });
  });

  test("when the log answers with another entry", async () => {
    const server = await sigstore();
    await record(server.url);
    const body = server.log.entries[0]?.body.toString("base64") ?? "";
    server.misbehave(rewritten((text) => text.replace(/"body":"[^"]*"/, `"body":"${body}"`)));
    await expect(record(server.url)).rejects.toThrow(
      "the log answered for another entry than the one it was sent",
    );
  });

  test("when the log has lost the entry that it says it has", async () => {
    const server = await sigstore();
    server.misbehave({ method: "POST", path: ENTRIES, times: 1, fault: { kind: "lose" } });
    server.misbehave({ method: "GET", fault: { kind: "answer", status: 404, body: "" } });
    await expect(record(server.url)).rejects.toMatchObject({
      code: "bad-answer",
      message: expect.stringContaining("names an entry that the log does not have") as string,
    });
  });

  test("when the log answers more than any entry needs", async () => {
    const server = await sigstore();
    server.misbehave({ method: "POST", path: ENTRIES, fault: { kind: "oversize", bytes: 300_000 } });
    await expect(record(server.url)).rejects.toMatchObject({ code: "bad-answer", reason: "too-large" });
  });

  test("when the log is down", async () => {
    const { href } = await closedPort();
    await expect(record(href)).rejects.toMatchObject({ name: "HttpError", reason: "no-connection" });
  });

  test("when the log is slow", async () => {
    const server = await sigstore();
    server.misbehave({ method: "POST", fault: { kind: "delay", ms: 3_000 } });
    await expect(record(server.url, 200)).rejects.toMatchObject({ name: "HttpError", reason: "timeout" });
  });
});

// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { logUrl } from "../../src/log/json-api.ts";
import { appendHashedRecord, type HashedRecord } from "../../src/log/rekor-v2.ts";
import { json, logThat, type Said } from "./answering-log.ts";

const log = logUrl("https://log.example.org/v2");
const { signal } = new AbortController();
const base64 = (text: string) => Buffer.from(text).toString("base64");
const DIGEST = Buffer.alloc(32, 1);
const record: HashedRecord = {
  digest: DIGEST,
  signature: Buffer.from("a signature"),
  verifier: { publicKey: Buffer.from("a key") },
};
const certified: HashedRecord = { ...record, verifier: { certificate: Buffer.from("a certificate") } };
const HASH = Buffer.alloc(32, 2).toString("base64");
const KEY_DETAILS = "PKIX_ECDSA_P256_SHA_256";

/** A body as the log writes it, with something else in it. */
function body(change: object = {}, verifier: object = { publicKey: { rawBytes: base64("a key") } }): string {
  const hashedRekordV002 = {
    data: { algorithm: "SHA2_256", digest: DIGEST.toString("base64") },
    signature: { content: base64("a signature"), verifier: { keyDetails: KEY_DETAILS, ...verifier } },
    ...change,
  };
  return JSON.stringify({ apiVersion: "0.0.2", kind: "hashedrekord", spec: { hashedRekordV002 } });
}

function entry(canonicalizedBody = base64(body()), change: object = {}): Record<string, unknown> {
  return {
    logIndex: "7",
    logId: { keyId: HASH },
    kindVersion: { kind: "hashedrekord", version: "0.0.2" },
    inclusionProof: {
      logIndex: "7",
      rootHash: HASH,
      treeSize: "8",
      hashes: [HASH],
      checkpoint: { envelope: "log.example.org\n8\n" },
    },
    canonicalizedBody,
    ...change,
  };
}

const append = (said: Said, sent = record) => {
  const { ask, asked } = logThat(() => said);
  return { done: appendHashedRecord(ask, { log, signal, record: sent }), asked };
};

describe("an entry is appended", () => {
  test("with the key, and given as bundles have it", async () => {
    const { done, asked } = append(json({ ...entry(), integratedTime: "0", inclusionPromise: null }, 201));
    expect(await done).toEqual(entry());
    expect(asked[0]).toMatchObject({ method: "POST", attempts: 3 });
    expect(asked[0]?.url.href).toBe("https://log.example.org/v2/api/v2/log/entries");
    expect(JSON.parse(asked[0]?.body ?? "")).toEqual({
      hashedRekordRequestV002: {
        digest: DIGEST.toString("base64"),
        signature: {
          content: base64("a signature"),
          verifier: { publicKey: { rawBytes: base64("a key") }, keyDetails: KEY_DETAILS },
        },
      },
    });
  });

  test("with the certificate", async () => {
    const x509Certificate = { rawBytes: base64("a certificate") };
    const logged = entry(base64(body({}, { x509Certificate })));
    const { done, asked } = append(json(logged, 201), certified);
    expect(await done).toEqual(logged);
    expect(JSON.parse(asked[0]?.body ?? "")).toMatchObject({
      hashedRekordRequestV002: { signature: { verifier: { x509Certificate, keyDetails: KEY_DETAILS } } },
    });
  });

  test("as the first one, whose proof has no hashes", async () => {
    const { hashes, ...inclusionProof } = entry()["inclusionProof"] as { hashes: string[] };
    expect(hashes).toHaveLength(1);
    const { done } = append(json(entry(undefined, { inclusionProof }), 201));
    expect(await done).toMatchObject({ inclusionProof: { hashes: [] } });
  });
});

describe("an answer for another entry than was sent is none", () => {
  test.for([
    {
      row: "another digest",
      bytes: body({ data: { algorithm: "SHA2_256", digest: HASH } }),
    },
    {
      row: "another algorithm",
      bytes: body({ data: { algorithm: "SHA2_512", digest: DIGEST.toString("base64") } }),
    },
    {
      row: "another signature",
      bytes: body().replace(base64("a signature"), base64("another one")),
    },
    { row: "another key", bytes: body({}, { publicKey: { rawBytes: base64("b key") } }) },
    {
      row: "the key as a certificate",
      bytes: body({}, { x509Certificate: { rawBytes: base64("a key") } }),
    },
    { row: "another algorithm of the key", bytes: body().replace("P256", "P384") },
    { row: "another kind", bytes: body().replace("hashedrekord", "dsse") },
    { row: "another version", bytes: body().replace("0.0.2", "0.0.1") },
    { row: "no body at all", bytes: "null" },
    { row: "a body that is not JSON", bytes: "{" },
  ])("$row", async ({ bytes }) => {
    const { done } = append(json(entry(base64(bytes)), 201));
    await expect(done).rejects.toMatchObject({ name: "LogError", code: "bad-answer" });
    await expect(done).rejects.toThrow(
      "POST https://log.example.org/v2/api/v2/log/entries: the answer is for another entry than the one it was sent",
    );
  });
});

describe("no entry is given", () => {
  const proof = entry()["inclusionProof"] as object;
  test.for<{ row: string; said: Said; code: string; status?: number; text: string }>([
    {
      row: "has it already",
      said: json({ code: 6, message: "an equivalent entry already exists" }, 409),
      code: "refused",
      status: 409,
      text: "status 409",
    },
    {
      row: "is frozen",
      said: json({ code: 12, message: "This log has been frozen, please switch to the latest log." }, 405),
      code: "refused",
      text: "This log has been frozen",
    },
    { row: "takes no more", said: json({}, 503), code: "unreachable", text: "status 503" },
    { row: "answers HTML", said: { status: 201, body: "<html>" }, code: "bad-answer", text: "is not JSON" },
    {
      row: "answers null",
      said: json(null, 201),
      code: "bad-answer",
      text: 'not a log entry: "it" is wrong',
    },
    {
      row: "answers an entry of Rekor v1",
      said: json({ ["ab".repeat(40)]: { body: "e30=" } }, 201),
      code: "bad-answer",
      text: '"logIndex" is wrong',
    },
    {
      row: "says a number of a double's size",
      said: json(entry(undefined, { logIndex: 7 }), 201),
      code: "bad-answer",
      text: '"logIndex" is wrong',
    },
    {
      row: "gives no proof",
      said: json(entry(undefined, { inclusionProof: null }), 201),
      code: "bad-answer",
      text: '"inclusionProof" is wrong',
    },
    {
      row: "gives a proof longer than any tree",
      said: json(
        entry(undefined, { inclusionProof: { ...proof, hashes: Array.from({ length: 65 }, () => HASH) } }),
        201,
      ),
      code: "bad-answer",
      text: '"inclusionProof.hashes" is wrong',
    },
    {
      row: "gives another kind",
      said: json(entry(undefined, { kindVersion: { kind: "dsse", version: "0.0.2" } }), 201),
      code: "bad-answer",
      text: '"kindVersion.kind" is wrong',
    },
    {
      row: "gives a body that is not base64",
      said: json(entry("~"), 201),
      code: "bad-answer",
      text: '"canonicalizedBody" is wrong',
    },
  ])("when the log $row ($code)", async ({ said, code, status, text }) => {
    const { done } = append(said);
    await expect(done).rejects.toMatchObject({ name: "LogError", code, ...(status && { status }) });
    await expect(done).rejects.toThrow(text);
  });
});

// SPDX-License-Identifier: Apache-2.0
import { createHash, generateKeyPairSync } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { sendHttp } from "../../src/courier/http.ts";
import { keySigner } from "../../src/courier/key-signer.ts";
import { recordBundle } from "../../src/courier/recording-v2.ts";
import { readSigningKey } from "../../src/courier/signing-key.ts";
import { logUrl } from "../../src/log/json-api.ts";
import { startSigstore, type Sigstore } from "../sigstore/sigstore.ts";
import { within } from "./local-server.ts";
import { verifiedBundle } from "./verified-bundle.ts";

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

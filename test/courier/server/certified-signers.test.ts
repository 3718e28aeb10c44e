// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, verify, X509Certificate } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { readIdentityToken } from "../../../src/courier/server/identity-token.ts";
import { logUrl } from "../../../src/log/json-api.ts";
import { identityToken } from "../../sigstore/identity-token.ts";
import { startSigstore, type Sigstore } from "../../sigstore/sigstore.ts";
import { certifiedSigners, type CertifiedSigner, type Signer } from "../../../src/courier/server/signers.ts";

const CERTIFICATES = "/api/v2/signingCert";
const MINUTE = 60_000;

async function sigstore(): Promise<Sigstore> {
  const started = await startSigstore();
  onTestFinished(() => started.close());
  return started;
}

interface Keys {
  signer(request: CertifiedSigner): Promise<Signer>;
  letPass(ms: number): void;
}

/** Keys of a process whose clock is off by so much, and what lets time pass for it. */
function keysWith(offMs = 0): Keys {
  let passed = 0;
  const keys = certifiedSigners({
    now: () => new Date(Date.now() + offMs + passed),
    elapsedMs: () => performance.now() + passed,
    deadlineMs: 5_000,
  });
  return { signer: keys, letPass: (ms) => void (passed += ms) };
}

const token = async () =>
  readIdentityToken(identityToken(), { secret: "tlog-identity-token", now: new Date() });

/** The certificate, of which the signature is checked. */
async function signed(keys: Keys, { url }: Sigstore, given = token): Promise<string> {
  const signer = await keys.signer({ fulcio: logUrl(url), token: given });
  const text = Buffer.from("a statement");
  const { signature, verifier } = await signer.sign(text);
  if (!("certificate" in verifier)) throw new Error("it signed with a bare key");
  const publicKey = createPublicKey(
    new X509Certificate(verifier.certificate).publicKey.export({ type: "spki", format: "pem" }),
  );
  expect(verify("sha256", text, publicKey, signature)).toBe(true);
  return verifier.certificate;
}

describe("one certificate serves all records of a build", () => {
  test("one after the other, and the token is asked for once", async () => {
    const server = await sigstore();
    const keys = keysWith();
    let asked = 0;
    const given = async () => {
      asked++;
      return token();
    };
    const first = await signed(keys, server, given);
    expect(await signed(keys, server, given)).toBe(first);
    expect(server.requests).toEqual([`POST ${CERTIFICATES}`]);
    expect(asked).toBe(1);
  });

  test("also when all ask for it at once", async () => {
    const server = await sigstore();
    const keys = keysWith();
    const all = await Promise.all(Array.from({ length: 20 }, () => signed(keys, server)));
    expect(new Set(all).size).toBe(1);
    expect(server.requests).toHaveLength(1);
  });

  test("until a minute before it ends", async () => {
    const server = await sigstore();
    const keys = keysWith();
    const first = await signed(keys, server);
    keys.letPass(8 * MINUTE);
    expect(await signed(keys, server)).toBe(first);
    keys.letPass(MINUTE + 1);
    const all = await Promise.all([signed(keys, server), signed(keys, server)]);
    expect(new Set([first, ...all]).size).toBe(2);
    expect(server.requests).toHaveLength(2);
  });
});

describe("a new certificate is asked for", () => {
  test("by every process, whose key is nobody else's", async () => {
    const server = await sigstore();
    expect(await signed(keysWith(), server)).not.toBe(await signed(keysWith(), server));
  });

  test("of every authority", async () => {
    const [one, other] = [await sigstore(), await sigstore()];
    const keys = keysWith();
    expect(await signed(keys, one)).not.toBe(await signed(keys, other));
    expect(other.requests).toHaveLength(1);
  });

  test("in time, when this machine's clock is an hour behind", async () => {
    const server = await sigstore();
    const keys = keysWith(-60 * MINUTE);
    const first = await signed(keys, server);
    expect(await signed(keys, server)).toBe(first);
    keys.letPass(10 * MINUTE);
    expect(await signed(keys, server)).not.toBe(first);
  });

  test("each time, when this machine's clock is an hour ahead", async () => {
    const server = await sigstore();
    const keys = keysWith(60 * MINUTE);
    expect(await signed(keys, server)).not.toBe(await signed(keys, server));
  });

  test("after one that failed, which all heard of who waited for it", async () => {
    const server = await sigstore();
    const keys = keysWith();
    server.misbehave({ times: 1, fault: { kind: "answer", status: 401, body: "{}" } });
    const waiting = await Promise.allSettled([signed(keys, server), signed(keys, server)]);
    const refused = { status: "rejected", reason: { name: "Failure", code: "refused" } };
    expect(waiting).toMatchObject([refused, refused]);
    expect(server.requests).toHaveLength(1);
    expect(await signed(keys, server)).toContain("CERTIFICATE");
  });

  test("after a token that was none", async () => {
    const server = await sigstore();
    const keys = keysWith();
    const expired = new Error("expired");
    await expect(signed(keys, server, () => Promise.reject(expired))).rejects.toBe(expired);
    expect(server.requests).toEqual([]);
    expect(await signed(keys, server)).toContain("CERTIFICATE");
  });
});

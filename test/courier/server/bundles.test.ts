// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Recording } from "../../../src/check/courier.ts";
import type { CourierChannel } from "../../../src/courier/client/channel.ts";
import { sightingStatement } from "../../../src/record/statement.ts";
import { sighting } from "../../record/sample-log.ts";
import type { Fault } from "../../sigstore/faults.ts";
import { identityToken } from "../../sigstore/identity-token.ts";
import { startSigstore, type Sigstore } from "../../sigstore/sigstore.ts";
import { closedPort, within } from "../local-server.ts";
import { verifiedBundle } from "../verified-bundle.ts";
import { watchedCouriers, type Secrets } from "../watched-couriers.ts";

const { open } = watchedCouriers();
const deadline = () => ({ signal: within(10_000) });
const statement = sightingStatement(sighting({ observedAt: new Date() }));
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ed25519 = generateKeyPairSync("ed25519");
const inPem = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString();

const CERTIFICATES = "/api/v2/signingCert";
const TIMESTAMP = "/api/v1/timestamp";
const ENTRIES = "/api/v2/log/entries";

async function sigstore(options: Parameters<typeof startSigstore>[0] = {}): Promise<Sigstore> {
  const started = await startSigstore(options);
  onTestFinished(() => started.close());
  return started;
}

const inLog = ({ url }: Sigstore, api: 1 | 2, more: Partial<Recording> = {}): Recording => ({
  log: { url, api },
  fulcio: url,
  timestamps: [url],
  statement,
  ...more,
});

async function bundleOf(channel: CourierChannel, what: Recording): Promise<unknown> {
  const recorded = await channel.record(what, deadline());
  expect(recorded).toHaveProperty("bundle");
  return "bundle" in recorded ? recorded.bundle : undefined;
}

const asked = ({ requests }: Sigstore, path: string) => requests.filter((one) => one.endsWith(path)).length;

describe("a record in a Rekor v2 log comes as a bundle that proves itself", () => {
  test("signed with a key, which needs no certificate authority", async () => {
    const server = await sigstore();
    const { channel } = open({ "tlog-signing-key": inPem(p256.privateKey) });
    const { log, timestamps } = inLog(server, 2);
    const bundle = await bundleOf(channel, { log, timestamps, statement });
    const proven = verifiedBundle(bundle, server, p256.publicKey);
    expect(proven).toEqual({ identity: undefined, payload: Buffer.from(statement) });
    expect(server.requests).toEqual([`POST ${TIMESTAMP}`, `POST ${ENTRIES}`]);
  });

  test("signed by an identity", async () => {
    const server = await sigstore();
    const { channel } = open({ "tlog-identity-token": identityToken() });
    const bundle = await bundleOf(channel, inLog(server, 2));
    expect(verifiedBundle(bundle, server)).toMatchObject({ identity: "ci@acme.example" });
  });

  test("also when the log takes longer than other questions are given", async () => {
    const server = await sigstore();
    server.misbehave({ path: ENTRIES, fault: { kind: "delay", ms: 1_500 } });
    const { channel } = open({ "tlog-signing-key": inPem(p256.privateKey) });
    verifiedBundle(await bundleOf(channel, inLog(server, 2)), server, p256.publicKey);
  });
});

describe("an Ed25519 key", () => {
  const secrets = { "tlog-signing-key": inPem(ed25519.privateKey) };

  test("signs for a Rekor v1 log", async () => {
    const server = await sigstore();
    const { channel } = open(secrets);
    const spki = ed25519.publicKey.export({ type: "spki", format: "pem" });
    expect(await channel.ready(deadline())).toEqual({ publicKey: spki });
    const recorded = await channel.record(inLog(server, 1), deadline());
    expect(recorded).toEqual({ uuid: server.log.entries[0]?.uuid });
  });

  test("is told that a Rekor v2 log takes another, before anybody is asked", async () => {
    const server = await sigstore();
    const { channel } = open(secrets);
    const done = channel.record(inLog(server, 2), deadline());
    await expect(done).rejects.toMatchObject({
      code: "no-signer",
      message: `secret "tlog-signing-key" is an Ed25519 key, and the Rekor v2 log ${server.url}/ takes P-256 keys; give a P-256 key, or write to a Rekor v1 log`,
    });
    expect(server.requests).toEqual([]);
  });
});

describe("a build asks the certificate authority once", () => {
  test("for all its images, in logs of both kinds, at once and later", async () => {
    const server = await sigstore();
    const { channel } = open({ "tlog-identity-token": identityToken() });
    const apis = [1, 2, 1, 2, 2, 1, 2, 1, 2, 2, 1, 1] as const;
    await Promise.all(apis.map((api) => channel.record(inLog(server, api), deadline())));
    verifiedBundle(await bundleOf(channel, inLog(server, 2)), server);
    expect(asked(server, CERTIFICATES)).toBe(1);
    expect([server.log.size, server.logV2.size]).toEqual([6, 7]);
  });

  test("also when the token ends before the last image is recorded", async () => {
    const server = await sigstore();
    const expires = Math.floor(Date.now() / 1000) + 2;
    const { channel } = open({ "tlog-identity-token": identityToken({ exp: expires }) });
    await channel.record(inLog(server, 2), deadline());
    await expect.poll(() => Date.now(), { timeout: 5_000 }).toBeGreaterThan(expires * 1000);
    verifiedBundle(await bundleOf(channel, inLog(server, 2)), server);
    expect(asked(server, CERTIFICATES)).toBe(1);
  });

  test("and again only when it failed, for every image that waits for it alike", async () => {
    const server = await sigstore();
    server.misbehave({ path: CERTIFICATES, times: 1, fault: { kind: "answer", status: 401, body: "{}" } });
    const { channel } = open({ "tlog-identity-token": identityToken() });
    const waiting = [1, 2].map(() => channel.record(inLog(server, 2), deadline()));
    const refused = { status: "rejected", reason: { code: "refused" } };
    expect(await Promise.allSettled(waiting)).toMatchObject([refused, refused]);
    expect(asked(server, CERTIFICATES)).toBe(1);
    verifiedBundle(await bundleOf(channel, inLog(server, 2)), server);
  });
});

describe("a failure tells no secret, and nothing is logged", () => {
  const signers: readonly { who: string; secrets: Secrets }[] = [
    { who: "a key", secrets: { "tlog-signing-key": inPem(p256.privateKey) } },
    { who: "a token", secrets: { "tlog-identity-token": identityToken() } },
  ];
  const token = signers[1]?.secrets["tlog-identity-token"] ?? "";
  const answer = (status: number, body: string): Fault => ({ kind: "answer", status, body });

  const failures: readonly { row: string; path: string; fault: Fault; code: string; says: string }[] = [
    {
      row: "the timestamp authority refuses",
      path: TIMESTAMP,
      fault: answer(400, "no"),
      code: "refused",
      says: "the timestamp authority answered status 400",
    },
    {
      row: "the timestamp authority answers HTML",
      path: TIMESTAMP,
      fault: answer(201, "<html>"),
      code: "bad-answer",
      says: "the answer is not a timestamp",
    },
    {
      row: "the timestamp authority hangs up",
      path: TIMESTAMP,
      fault: { kind: "drop" },
      code: "unreachable",
      says: "socket hang up",
    },
    {
      row: "the log refuses",
      path: ENTRIES,
      fault: answer(400, '{"message":"invalid hashedrekord request"}'),
      code: "refused",
      says: "invalid hashedrekord request",
    },
    {
      row: "the log has it already, whatever is sent",
      path: ENTRIES,
      fault: answer(409, "{}"),
      code: "refused",
      says: "status 409",
    },
    {
      row: "the log answers for nobody's entry",
      path: ENTRIES,
      fault: answer(201, "{}"),
      code: "bad-answer",
      says: "is not a log entry",
    },
    {
      row: "the log sends too much",
      path: ENTRIES,
      fault: { kind: "oversize", bytes: 1_000_000 },
      code: "bad-answer",
      says: "larger than 262144 bytes",
    },
    {
      row: "the log does not answer in time",
      path: ENTRIES,
      fault: { kind: "delay", ms: 30_000 },
      code: "unreachable",
      says: "no answer in time",
    },
  ];

  test.for(signers.flatMap((signer) => failures.map((failure) => ({ ...signer, ...failure }))))(
    "with $who, when $row ($code)",
    async ({ secrets, path, fault, code, says }) => {
      const server = await sigstore();
      server.misbehave({ path, fault });
      const { channel } = open(secrets, { TLOG_DEADLINE_MS: "2500" });
      const done = channel.record(inLog(server, 2), deadline());
      await expect(done).rejects.toMatchObject({ code });
      await expect(done).rejects.toThrow(says);
      await expect(done).rejects.toThrow(`POST ${server.url}${path}: `);
      if (path === TIMESTAMP) expect(server.logV2.size).toBe(0);
    },
  );

  test("when a new certificate is needed for the second image, and the authority repeats the token", async () => {
    const [good, bad] = [await sigstore(), await sigstore()];
    bad.misbehave({
      path: CERTIFICATES,
      fault: answer(400, JSON.stringify({ message: `bad token ${token}` })),
    });
    const { channel } = open({ "tlog-identity-token": token });
    await channel.record(inLog(good, 2), deadline());
    const done = channel.record(inLog(good, 2, { fulcio: bad.url }), deadline());
    await expect(done).rejects.toMatchObject({
      code: "refused",
      message: expect.stringContaining("the certificate authority answered status 400") as string,
    });
    expect(good.logV2.size).toBe(1);
  });

  test("when the authority keeps no certificate log", async () => {
    const server = await sigstore({ certificateLog: false });
    const { channel } = open({ "tlog-identity-token": token });
    const done = channel.record(inLog(server, 2), deadline());
    await expect(done).rejects.toMatchObject({ code: "bad-answer" });
    await expect(done).rejects.toThrow("without proof of being in a certificate log (SCT)");
    expect(server.requests).toEqual([`POST ${CERTIFICATES}`]);
  });

  test.for(signers)(
    "when no timestamp authority is named for $who, nor is a certificate made",
    async ({ secrets }) => {
      const server = await sigstore();
      const { channel } = open(secrets);
      const done = channel.record(inLog(server, 2, { timestamps: [] }), deadline());
      await expect(done).rejects.toThrow("takes a timestamp authority, and none is named");
      expect(server.requests).toEqual([]);
    },
  );

  test("when no certificate authority is named for a token", async () => {
    const server = await sigstore();
    const { channel } = open({ "tlog-identity-token": token });
    const { log, timestamps } = inLog(server, 2);
    await expect(channel.record({ log, timestamps, statement }, deadline())).rejects.toMatchObject({
      code: "no-signer",
      message:
        'secret "tlog-identity-token" signs with a certificate, and no certificate authority is named; name it as "signing.fulcio" in the policy, or in the signing config',
    });
  });

  test("when all authorities are down", async () => {
    const server = await sigstore();
    const [one, other] = [await closedPort(), await closedPort()];
    const { channel } = open({ "tlog-identity-token": token }, { TLOG_DEADLINE_MS: "2000" });
    const done = channel.record(inLog(server, 2, { timestamps: [one.href, other.href] }), deadline());
    await expect(done).rejects.toMatchObject({ code: "unreachable" });
    await expect(done).rejects.toThrow("no timestamp authority gave a timestamp: ");
    expect(server.logV2.size).toBe(0);
  });
});

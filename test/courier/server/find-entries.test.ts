// SPDX-License-Identifier: Apache-2.0
import { createHash, generateKeyPairSync } from "node:crypto";
import { describe, expect, test, type TestContext } from "vitest";
import { findEntries } from "../../../src/courier/server/find-entries.ts";
import { sendHttp } from "../../../src/courier/server/http.ts";
import { keySigner, certifiedSigners } from "../../../src/courier/server/signers.ts";
import { readSigningKey } from "../../../src/courier/server/signing-key.ts";
import { logUrl } from "../../../src/log/json-api.ts";
import type { RawEntry } from "../../../src/log/rekor-v1.ts";
import { identityToken } from "../../sigstore/identity-token.ts";
import { startSigstore, type Sigstore, type SigstoreOptions } from "../../sigstore/sigstore.ts";
import { readIdentityToken } from "../../../src/courier/server/identity-token.ts";
import { recordStatement } from "../../../src/courier/server/recording.ts";
import { json, localServer, within } from "../local-server.ts";

const pair = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const key = readSigningKey(Buffer.from(pair.privateKey.export({ type: "pkcs8", format: "pem" })));
const digest = createHash("sha256").update("docker.io/library/alpine:3.16.0").digest("hex");

async function sigstore(
  { onTestFinished }: Pick<TestContext, "onTestFinished">,
  options?: SigstoreOptions,
): Promise<Sigstore> {
  const started = await startSigstore(options);
  onTestFinished(() => started.close());
  return started;
}

async function record({ url }: Sigstore, sha256 = digest, signer = keySigner(key)): Promise<string> {
  const statement = Buffer.from(
    JSON.stringify({
      _type: "https://in-toto.io/Statement/v1",
      subject: [{ name: "docker.io/library/alpine:3.16.0", digest: { sha256 } }],
      predicateType: "https://example.org/predicate",
      predicate: {},
    }),
  );
  const { uuid } = await recordStatement(sendHttp, {
    log: logUrl(url),
    statement,
    signer,
    signal: within(5_000),
  });
  return uuid;
}

interface Wanted {
  readonly including?: string | undefined;
  readonly identity?: string;
}

const find = ({ url }: Sigstore, wanted: Wanted = {}) => findEntriesOf(url, wanted);

async function findEntriesOf(url: string, wanted: Wanted): Promise<RawEntry[]> {
  const entries: RawEntry[] = [];
  const what = { log: logUrl(url), hash: `sha256:${digest}`, signal: within(10_000), ...wanted };
  await findEntries(sendHttp, what, (some) => void entries.push(...some));
  return entries;
}

const uuids = (entries: readonly RawEntry[]) => entries.map(({ uuid }) => uuid).toSorted();
const attestations = (entries: readonly RawEntry[]) =>
  entries.map(({ entry }) => typeof entry === "object" && entry !== null && "attestation" in entry);
const INDEX = "/api/v1/index/retrieve";
const RETRIEVE = "/api/v1/log/entries/retrieve";

describe.concurrent("every entry under the hash is brought", () => {
  test("none from an empty log, with one question", async (context) => {
    const server = await sigstore(context);
    expect(await find(server)).toEqual([]);
    expect(server.requests).toEqual([`POST ${INDEX}`]);
  });

  test("twelve, in two batches, and none of another tag", async (context) => {
    const server = await sigstore(context);
    const written: string[] = [];
    for (let n = 0; n < 12; n++) written.push(await record(server));
    await record(server, "00".repeat(32));
    const before = server.requests.length;
    const entries = await find(server);
    expect(uuids(entries)).toEqual(written.toSorted());
    expect(attestations(entries)).toEqual(Array.from({ length: 12 }, () => true));
    expect(server.requests.slice(before)).toEqual([`POST ${INDEX}`, `POST ${RETRIEVE}`, `POST ${RETRIEVE}`]);
  });

  test("also when batches fail", async (context) => {
    const server = await sigstore(context);
    const written = [await record(server), await record(server)];
    server.misbehave({ path: RETRIEVE, fault: { kind: "answer", status: 500, body: "{}" } });
    expect(uuids(await find(server))).toEqual(written.toSorted());
  });

  test("one that the log fails at for ever as null, the others whole", async (context) => {
    const server = await sigstore(context);
    const [good, bad] = [await record(server), await record(server)];
    const failing = { kind: "answer", status: 500, body: "{}" } as const;
    server.misbehave({ path: RETRIEVE, fault: failing });
    server.misbehave({ path: new RegExp(`/entries/${bad}$`), fault: failing });
    const entries = await find(server);
    expect(uuids(entries)).toEqual([good, bad].toSorted());
    expect(entries.filter(({ entry }) => entry === null)).toEqual([{ uuid: bad, entry: null }]);
  });

  test("none when the log fails at all of them: that is an outage", async (context) => {
    const server = await sigstore(context);
    await record(server);
    server.misbehave({ path: /\/log\/entries\//, fault: { kind: "answer", status: 500, body: "{}" } });
    await expect(find(server)).rejects.toMatchObject({ name: "LogError", code: "unreachable" });
  });
});

const issuer = "https://issuer.example";
const [OURS, THEIRS] = ["https://Acme.example/CI", "mallory@evil.example"];

/** Records the tag as both, and gives the entries of each. */
async function recordAsBoth(server: Sigstore): Promise<{ ours: string; theirs: string }> {
  const as = async (identity: string) => {
    const claims = identity.includes("@") ? { email: identity } : { sub: identity, email: undefined };
    const token = async () =>
      readIdentityToken(identityToken({ iss: issuer, ...claims }), {
        secret: "tlog-identity-token",
        now: new Date(),
      });
    const keys = certifiedSigners({
      now: () => new Date(),
      elapsedMs: () => performance.now(),
      deadlineMs: 5_000,
    });
    return record(server, digest, await keys({ fulcio: logUrl(server.url), token }));
  };
  return { theirs: await as(THEIRS), ours: await as(OURS) };
}

describe.concurrent("for one identity", () => {
  test("only its entries are brought by a log that can search so, in whatever case", async (context) => {
    const server = await sigstore(context);
    const { ours } = await recordAsBoth(server);
    expect(uuids(await find(server, { identity: OURS }))).toEqual([ours]);
    expect(uuids(await find(server, { identity: OURS.toLowerCase() }))).toEqual([ours]);
    expect(uuids(await find(server, { identity: "nobody@acme.example" }))).toEqual([]);
  });

  test("with the entry just written, and who raced with it unseen by the index", async (context) => {
    const server = await sigstore(context, { lag: (index) => (index === 0 ? 500 : 0) });
    const { ours, theirs } = await recordAsBoth(server);
    expect(uuids(await find(server, { including: ours, identity: OURS }))).toEqual([ours, theirs].toSorted());
  });
});

describe("for one identity all are brought", () => {
  test.for([
    { row: "does not know subjects and leaves them out", answers: undefined },
    { row: "refuses a subject (422)", answers: 422 },
    { row: "refuses a subject (400)", answers: 400 },
  ])("by a log that $row", async ({ answers }, context) => {
    const server = await sigstore(context);
    const { ours, theirs } = await recordAsBoth(server);
    const old = await oldIndex(server, answers);
    const found = await findEntriesOf(old, { identity: OURS });
    expect(uuids(found)).toEqual([ours, theirs].toSorted());
  });
});

/** A log of before there were subjects in front of one of today: it reads the fields that it knows, or refuses the others. */
async function oldIndex({ url }: Sigstore, refusal?: number): Promise<string> {
  const old = await localServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const { subject, ...known } = JSON.parse(body || "{}") as { subject?: string };
      if (subject !== undefined && refusal !== undefined) {
        json({ code: 600 + refusal, message: "unknown field" }, refusal)(request, response);
        return;
      }
      const asked = { method: request.method ?? "GET", headers: { "content-type": "application/json" } };
      void fetch(`${url}${request.url}`, { ...asked, ...(body && { body: JSON.stringify(known) }) }).then(
        async (answer) => json(await answer.json(), answer.status)(request, response),
      );
    });
  });
  return old.url.href;
}

describe.concurrent("an entry just written is brought too", () => {
  test("once the log shows it and its attestation", async (context) => {
    const server = await sigstore(context, { lag: 300 });
    const uuid = await record(server);
    const entries = await find(server, { including: uuid });
    expect(uuids(entries)).toEqual([uuid]);
    expect(attestations(entries)).toEqual([true]);
  });

  test("with the one that another build wrote at the same moment, and its attestation", async (context) => {
    const server = await sigstore(context, { lag: 300 });
    const [theirs, ours] = await Promise.all([record(server), record(server)]);
    const entries = await find(server, { including: ours });
    expect(uuids(entries)).toEqual([theirs, ours].toSorted());
    expect(attestations(entries)).toEqual([true, true]);
  });

  test("with the one that was logged before it and that the index does not show yet", async (context) => {
    const server = await sigstore(context, { lag: (index) => (index === 0 ? 500 : 0) });
    const theirs = await record(server);
    await record(server, "00".repeat(32));
    const ours = await record(server);
    const entries = await find(server, { including: ours });
    expect(uuids(entries)).toEqual([theirs, ours].toSorted());
    expect(attestations(entries)).toEqual([true, true]);
  });

  test("with the one before it, also when the log fails to bring several at once", async (context) => {
    const server = await sigstore(context, { lag: (index) => (index === 0 ? 500 : 0) });
    const written = [await record(server), await record(server)];
    server.misbehave({ path: RETRIEVE, fault: { kind: "answer", status: 500, body: "{}" } });
    expect(uuids(await find(server, { including: written[1] }))).toEqual(written.toSorted());
  });

  test("named without its tree", async (context) => {
    const server = await sigstore(context);
    const uuid = await record(server);
    expect(uuids(await find(server, { including: uuid.slice(16) }))).toEqual([uuid]);
  });

  test("after three seconds, when the index never shows it", async (context) => {
    const server = await sigstore(context);
    const uuid = await record(server);
    server.misbehave({ path: INDEX, fault: { kind: "answer", status: 200, body: "[]" } });
    const begun = performance.now();
    expect(uuids(await find(server, { including: uuid }))).toEqual([uuid]);
    expect(performance.now() - begun).toBeGreaterThan(2_000);
    expect(performance.now() - begun).toBeLessThan(5_000);
  });

  test("as it is after three seconds, when its attestation never comes", async (context) => {
    const server = await sigstore(context, { lag: 60_000 });
    const uuid = await record(server);
    server.misbehave({ path: INDEX, fault: { kind: "answer", status: 200, body: JSON.stringify([uuid]) } });
    const entries = await find(server, { including: uuid });
    expect(uuids(entries)).toEqual([uuid]);
    expect(attestations(entries)).toEqual([false]);
  });

  test("as null, when the log has no such entry", async (context) => {
    const server = await sigstore(context);
    const uuid = "ab".repeat(32);
    server.misbehave({ path: INDEX, fault: { kind: "answer", status: 200, body: JSON.stringify([uuid]) } });
    expect(await find(server, { including: uuid })).toEqual([{ uuid, entry: null }]);
  });
});

describe.concurrent("nothing is brought, and it is an error", () => {
  test.for([
    {
      row: "HTML",
      fault: { kind: "answer", status: 200, body: "<html>", contentType: "text/html" },
      name: "LogError",
      code: "bad-answer",
      says: "is not JSON",
    },
    {
      row: "500 always",
      fault: { kind: "answer", status: 500, body: "" },
      name: "LogError",
      code: "unreachable",
      says: "status 500",
    },
    {
      row: "half an answer",
      fault: { kind: "truncate", bytes: 10 },
      name: "HttpError",
      code: "unreachable",
      says: "the answer ended after 10 bytes",
    },
    {
      row: "an endless answer",
      fault: { kind: "oversize", bytes: 10 * 1024 * 1024 },
      name: "HttpError",
      code: "bad-answer",
      says: "the answer is larger than",
    },
    {
      row: "no answer",
      fault: { kind: "drop" },
      name: "HttpError",
      code: "unreachable",
      says: "socket hang up",
    },
  ] as const)("when the index gives $row ($code)", async ({ fault, name, code, says }, context) => {
    const server = await sigstore(context);
    await record(server);
    server.misbehave({ path: INDEX, fault });
    const done = find(server);
    await expect(done).rejects.toMatchObject({ name, code });
    await expect(done).rejects.toThrow(says);
  });

  test("when the log is slower than the deadline", async (context) => {
    const server = await sigstore(context);
    server.misbehave({ path: INDEX, fault: { kind: "delay", ms: 5_000 } });
    const what = { log: logUrl(server.url), hash: `sha256:${digest}`, signal: within(200) };
    const done = findEntries(sendHttp, what, () => undefined);
    await expect(done).rejects.toMatchObject({ name: "HttpError", reason: "timeout" });
  });
});

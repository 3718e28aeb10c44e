// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { createHash, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { MAX_FILE_BYTES } from "../../../src/courier/protocol.ts";
import { startSigstore, type Sigstore } from "../../sigstore/sigstore.ts";
import { courierProgram, recordIn, type CourierProcess } from "../courier-process.ts";
import { closedPort, json, localServer, within } from "../local-server.ts";

const { program, start: startWith } = courierProgram();
const pair = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const pem = pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const digest = createHash("sha256").update("docker.io/library/alpine:3.16.0").digest("hex");
const hash = `sha256:${digest}`;
const statement = Buffer.from(
  JSON.stringify({
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ name: "docker.io/library/alpine:3.16.0", digest: { sha256: digest } }],
    predicateType: "https://example.org/predicate",
    predicate: {},
  }),
);

async function sigstore(): Promise<Sigstore> {
  const started = await startSigstore();
  onTestFinished(() => started.close());
  return started;
}

function start({ secret, env }: { secret?: string; env?: Record<string, string> } = {}): CourierProcess {
  return startWith({
    ...(secret === undefined ? {} : { secrets: { "tlog-signing-key": secret } }),
    ...(env && { env }),
  });
}

const NOTHING = { entries: [], dropped: new Map() };
const deadline = () => ({ signal: within(10_000) });
/** Every run of 12 characters of the key's text: none of them may ever be seen. */
const keyParts = (key: string) =>
  key
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("-----"))
    .flatMap((line) => line.match(/.{1,12}/g) ?? [])
    .filter((part) => part.length >= 8);

describe("the courier", () => {
  test("records a statement and finds it", async () => {
    const log = await sigstore();
    const { channel, complained, said, ended } = start({ secret: pem });
    const { publicKey } = await channel.ready(deadline());
    expect(publicKey).toBe(pair.publicKey.export({ type: "spki", format: "pem" }));
    expect(await channel.find({ log: log.url, hash }, deadline())).toEqual(NOTHING);
    const uuid = await recordIn(log.url, { channel, statement, ...deadline() });
    const { entries } = await channel.find({ log: log.url, hash, including: uuid }, deadline());
    expect(entries).toEqual([
      {
        uuid,
        entry: expect.objectContaining({ attestation: { data: statement.toString("base64") } }) as unknown,
      },
    ]);
    channel.close();
    expect(await ended).toBe(0);
    expect(complained()).toBe("");
    for (const part of keyParts(pem)) expect(said()).not.toContain(part);
  });

  test("brings a manifest", async () => {
    const { host } = await localServer((_, response) => {
      response.writeHead(200, { "content-type": "application/vnd.oci.image.manifest.v1+json" });
      response.end("{}");
    });
    const { channel } = start({ env: { TLOG_DEADLINE_MS: "500" } });
    const tag = { registry: host, repository: "a/b", tag: "1", plainHttp: true };
    expect(await channel.manifest(tag, deadline())).toEqual({
      bytes: Buffer.from("{}"),
      mediaType: "application/vnd.oci.image.manifest.v1+json",
    });
    const byDigest = { ...tag, tag: `sha512:${"0a".repeat(64)}` };
    expect(await channel.manifest(byDigest, deadline()), "by digest").toMatchObject({
      bytes: Buffer.from("{}"),
    });
    const https = { ...tag, plainHttp: false };
    await expect(channel.manifest(https, deadline())).rejects.toMatchObject({ code: "unreachable" });
  });

  test("brings a file of a TUF repository, the largest too, and says of one that it is not there", async () => {
    const largest = Buffer.alloc(MAX_FILE_BYTES, 0xfb);
    const { url, asked } = await localServer((request, response) => {
      response.writeHead(request.url === "/tuf/9.root.json" ? 404 : 200);
      response.end(request.url === "/tuf/9.root.json" ? "" : largest);
    });
    const { channel } = start();
    const mirror = `${url.href}tuf`;
    const file = { mirror, path: "targets/trusted_root.json", maxBytes: MAX_FILE_BYTES };
    expect((await channel.file(file, deadline()))?.equals(largest)).toBe(true);
    expect(await channel.file({ ...file, path: "9.root.json" }, deadline())).toBeUndefined();
    await expect(channel.file({ ...file, maxBytes: 1_000 }, deadline())).rejects.toMatchObject({
      code: "bad-answer",
    });
    expect(asked).toHaveLength(3);
  });

  test("answers many at once, while slow ones wait", async () => {
    const log = await sigstore();
    const held: (() => void)[] = [];
    const { url, asked } = await localServer((request, response) => {
      held.push(() => json([])(request, response));
      if (held.length === 7) for (const answer of held) answer();
    });
    const { channel } = start();
    const slow = Array.from({ length: 7 }, () => channel.find({ log: url.href, hash }, deadline()));
    expect(await channel.find({ log: log.url, hash }, deadline())).toEqual(NOTHING);
    expect(await Promise.all(slow)).toEqual(Array.from({ length: 7 }, () => NOTHING));
    expect(asked).toHaveLength(7);
  });

  test("asks at most eight things at once", async () => {
    let open = 0;
    let most = 0;
    const { url } = await localServer((request, response) => {
      most = Math.max(most, ++open);
      setTimeout(() => {
        open--;
        json([])(request, response);
      }, 20);
    });
    const { channel } = start();
    await Promise.all(Array.from({ length: 50 }, () => channel.find({ log: url.href, hash }, deadline())));
    expect(most).toBe(8);
  });

  test("goes through the proxy of its environment", async () => {
    const asked: string[] = [];
    const proxy = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      json([])(request, response);
    });
    proxy.on("connect", (request, socket) => {
      asked.push(`CONNECT ${request.url}`);
      socket.end("HTTP/1.1 403 no\r\n\r\n");
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    onTestFinished(() => {
      proxy.closeAllConnections();
      proxy.close();
    });
    const address = proxy.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
    const direct = await localServer(json([]));
    const { channel } = start({
      env: { HTTP_PROXY: url, HTTPS_PROXY: url, NO_PROXY: "127.0.0.1", TLOG_DEADLINE_MS: "1000" },
    });
    expect(await channel.find({ log: "http://log.invalid", hash }, deadline())).toEqual(NOTHING);
    expect(await channel.find({ log: direct.url.href, hash }, deadline())).toEqual(NOTHING);
    const tls = channel.find({ log: "https://log.invalid", hash }, deadline());
    await expect(tls).rejects.toMatchObject({ code: "unreachable" });
    expect(asked[0]).toBe("POST http://log.invalid/api/v1/index/retrieve");
    expect(new Set(asked.slice(1))).toEqual(new Set(["CONNECT log.invalid:443"]));
    expect(direct.asked).toHaveLength(1);
  });
});

describe("a failure is an answer", () => {
  const uuids = JSON.stringify(Array.from({ length: 60_001 }, (_, n) => n.toString(16).padStart(64, "0")));

  test.for([
    {
      row: "HTML",
      fault: { kind: "answer", status: 200, body: "<html>", contentType: "text/html" },
      code: "bad-answer",
      text: 'status 200, content type "text/html", "<html>"',
    },
    {
      row: "500 always",
      fault: { kind: "answer", status: 500, body: "" },
      code: "unreachable",
      text: "status 500",
    },
    {
      row: "half an answer",
      fault: { kind: "truncate", bytes: 1 },
      code: "unreachable",
      text: "the answer ended after 1 bytes",
    },
    {
      row: "an endless answer",
      fault: { kind: "oversize", bytes: 6_000_000 },
      code: "bad-answer",
      text: "larger than 5242880 bytes",
    },
    {
      row: "no answer in time",
      fault: { kind: "delay", ms: 30_000 },
      code: "unreachable",
      text: "no answer in time",
    },
    {
      row: "60,001 UUIDs",
      fault: { kind: "answer", status: 200, body: uuids },
      code: "bad-answer",
      text: "lists 60001 entries for one tag",
    },
    {
      row: "junk",
      fault: { kind: "answer", status: 200, body: '["junk"]' },
      code: "bad-answer",
      text: "is not a list of entry UUIDs",
    },
    { row: "422", fault: { kind: "answer", status: 422, body: "{}" }, code: "refused", text: "status 422" },
  ] as const)("when the log gives $row ($code)", async ({ fault, code, text }) => {
    const log = await sigstore();
    log.misbehave({ fault });
    const { channel } = start({ env: { TLOG_DEADLINE_MS: "1000" } });
    const found = channel.find({ log: log.url, hash }, deadline());
    await expect(found).rejects.toMatchObject({ code });
    await expect(found).rejects.toThrow(`POST ${log.url}/api/v1/index/retrieve: `);
    await expect(found).rejects.toThrow(text);
  });

  test("when the log is down, and the next request is served", async () => {
    const { href } = await closedPort();
    const log = await sigstore();
    const { channel } = start({ env: { TLOG_DEADLINE_MS: "300" } });
    await expect(channel.find({ log: href, hash }, deadline())).rejects.toThrow("ECONNREFUSED");
    expect(await channel.find({ log: log.url, hash }, deadline())).toEqual(NOTHING);
  });

  test("when there is no secret", async () => {
    const { channel } = start();
    expect(await channel.ready(deadline())).toEqual({});
    const done = recordIn("http://127.0.0.1:1", { channel, statement, ...deadline() });
    await expect(done).rejects.toMatchObject({
      code: "no-signer",
      message:
        'there is no secret "tlog-signing-key" and no "tlog-identity-token"; build with --secret id=tlog-signing-key,src=FILE',
    });
  });

  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 })
    .privateKey.export({ type: "pkcs8", format: "pem" })
    .toString();
  test.for([
    { row: "an RSA key", secret: rsa, problem: "signing-key-unfit" },
    { row: "a broken key", secret: pem.replace("M", "!"), problem: "signing-key-unreadable" },
    { row: "half a key", secret: pem.slice(0, 100), problem: "signing-key-not-pem" },
    { row: "no PEM", secret: Buffer.from(pem).toString("base64"), problem: "signing-key-not-pem" },
  ])("when the secret is $row, and nothing of it is shown", async ({ secret, problem }) => {
    const { channel, said, complained, ended } = start({ secret });
    const { publicKey, signerProblem } = await channel.ready(deadline());
    expect(publicKey).toBeUndefined();
    expect(signerProblem).toContain(`${problem}: `);
    const done = recordIn("http://127.0.0.1:1", { channel, statement, ...deadline() });
    await expect(done).rejects.toMatchObject({ code: "no-signer", message: signerProblem });
    channel.close();
    expect(await ended).toBe(0);
    for (const part of keyParts(secret)) expect(said() + complained()).not.toContain(part);
  });

  test("when the log refuses what is signed, and nothing of the key is shown", async () => {
    const log = await sigstore();
    log.misbehave({
      method: "POST",
      fault: { kind: "rewrite", change: (answer) => ({ ...answer, status: 400 }) },
    });
    const { channel, said, complained, ended } = start({ secret: pem });
    const done = recordIn(log.url, { channel, statement, ...deadline() });
    await expect(done).rejects.toMatchObject({ code: "refused" });
    channel.close();
    await ended;
    for (const part of keyParts(pem)) expect(said() + complained()).not.toContain(part);
  });
});

describe("the courier ends", () => {
  test("with its input, also while requests are under way", async () => {
    const { url, asked } = await localServer(() => undefined);
    const { channel, ended, said, complained } = start();
    const pending = channel.find({ log: url.href, hash }, deadline());
    const failed = expect(pending).rejects.toMatchObject({ code: "channel-broken" });
    await expect.poll(() => asked).toHaveLength(1);
    channel.close();
    await failed;
    expect(await ended).toBe(0);
    expect(said()).toBe('{"say":"ready"}\n');
    expect(complained()).toBe("");
  });

  test("with its input, also while it waits for an identity token", async () => {
    const { url, asked } = await localServer(() => undefined);
    const { child, ended, said, complained } = startWith({
      secrets: {
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: "ghs_0123456789abcdef",
        ACTIONS_ID_TOKEN_REQUEST_URL: url.href,
      },
    });
    child.stdin?.write(`${JSON.stringify({ id: 1, ask: "find", log: url.href, hash })}\n`);
    await expect.poll(() => asked).toHaveLength(1);
    const begun = performance.now();
    child.stdin?.end();
    expect(await ended).toBe(0);
    expect(performance.now() - begun).toBeLessThan(1_000);
    expect(said() + complained()).toBe("");
  });

  test.for(["SIGTERM", "SIGINT"] as const)("on %s, also while requests are under way", async (signal) => {
    const { url, asked } = await localServer(() => undefined);
    const { child, channel, ended, complained } = start();
    const pending = channel.find({ log: url.href, hash }, deadline());
    const failed = expect(pending).rejects.toMatchObject({ code: "channel-broken" });
    await expect.poll(() => asked).toHaveLength(1);
    const begun = performance.now();
    child.kill(signal);
    expect(await ended).toBe(0);
    expect(performance.now() - begun).toBeLessThan(1_000);
    await failed;
    expect(complained()).toBe("");
  });

  test.for([
    { row: "garbage", input: `${pem}\n`, text: "a line is not JSON" },
    { row: "no request", input: '{"id":1,"ask":"sign"}\n', text: "a line is no request: ask" },
    { row: "a number", input: "7\n", text: "a line is no request" },
    {
      row: "a hash that is none",
      input: '{"id":1,"ask":"find","log":"http://127.0.0.1:1","hash":"x"}\n',
      text: "a line is no request: hash",
    },
    {
      row: "a file that climbs",
      input: '{"id":1,"ask":"file","mirror":"http://127.0.0.1:1","path":"a/../b","maxBytes":1}\n',
      text: "a line is no request: path",
    },
    {
      row: "a file without an end",
      input: '{"id":1,"ask":"file","mirror":"http://127.0.0.1:1","path":"a","maxBytes":1e9}\n',
      text: "a line is no request: maxBytes",
    },
    {
      row: "a log of another kind",
      input:
        '{"id":1,"ask":"record","log":{"url":"http://127.0.0.1:1","api":3},"timestamps":[],"statement":""}\n',
      text: "a line is no request: log.api",
    },
    {
      row: "more authorities than anybody has",
      input: `${JSON.stringify({ id: 1, ask: "record", log: { url: "http://127.0.0.1:1", api: 2 }, timestamps: Array.from({ length: 9 }, () => "http://127.0.0.1:1"), statement: "" })}\n`,
      text: "a line is no request: timestamps",
    },
    { row: "half a line", input: '{"id":1', text: "the input ended after 7 bytes of a line" },
    { row: "bytes that are no text", input: Buffer.from([0xff, 0x0a]), text: "a line is not UTF-8" },
    {
      row: "a line over the limit",
      input: "a".repeat(8 * 1024 * 1024 + 1),
      text: "a line is longer than 8388608 bytes",
    },
  ])("with 1 and one line on standard error after $row", async ({ input, text }) => {
    const { child, ended, said, complained } = start();
    child.stdin?.end(input);
    expect(await ended).toBe(1);
    expect(complained()).toMatch(/^courier: [^\n]+\n$/);
    expect(complained()).toContain(text);
    expect(said()).toBe('{"say":"ready"}\n');
    for (const part of keyParts(pem)) expect(complained()).not.toContain(part);
  });

  test("with 1 when one id is used for two requests at once", async () => {
    const { url } = await localServer(() => undefined);
    const { child, ended, complained } = start();
    const line = JSON.stringify({ id: 1, ask: "find", log: url.href, hash });
    child.stdin?.write(`${line}\n${line}\n`);
    expect(await ended).toBe(1);
    expect(complained()).toBe("courier: request 1 is open already\n");
  });

  test.for([
    { env: { TLOG_DEADLINE_MS: "soon" }, text: "TLOG_DEADLINE_MS is not" },
    {
      env: { HTTP_PROXY: "http://me:hunter2@[" },
      text: "HTTP_PROXY or HTTPS_PROXY is not the URL of a proxy",
    },
  ])("with 1 at once when its environment is wrong: $text", async ({ env, text }) => {
    const { ended, said, complained } = start({ env });
    expect(await ended).toBe(1);
    expect(said()).toBe("");
    expect(complained()).toContain(text);
    expect(complained()).not.toContain("hunter2");
  });

  test("with 1 when nobody reads any more", async () => {
    const child = spawn(process.execPath, [program], { env: {}, stdio: ["pipe", "pipe", "ignore"] });
    const ended = once(child, "close");
    onTestFinished(() => void child.kill("SIGKILL"));
    await once(child.stdout, "data");
    child.stdout.destroy();
    child.stdin.write(
      `${JSON.stringify({ id: 1, ask: "record", log: { url: "http://127.0.0.1:1", api: 1 }, timestamps: [], statement: "e30=" })}\n`,
    );
    expect(await ended).toEqual([1, null]);
  });
});

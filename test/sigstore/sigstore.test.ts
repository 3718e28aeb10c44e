// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { FaultRule } from "./faults.ts";
import { newSigningKey, proposeIntoto, sha256Of, statementAbout } from "./signed-statement.ts";
import { startSigstore, type Sigstore } from "./sigstore.ts";

const key = newSigningKey();
const entry = (subject: string) => proposeIntoto(statementAbout(subject), key);

describe("a directory", () => {
  let out: string;
  beforeEach(() => {
    out = mkdtempSync(join(tmpdir(), "sigstore-"));
  });
  afterEach(() => rmSync(out, { recursive: true }));

  test("keeps keys, log and search between runs", async () => {
    const before = await startSigstore({ out });
    const logged = before.log.append(entry("kept:1"));
    before.log.append(entry("kept:2"));
    const checkpoint = before.log.checkpoint().split("\n").slice(0, 3);
    await before.close();

    const after = await startSigstore({ out });
    expect(after.rekorPublicKey).toBe(before.rekorPublicKey);
    expect(after.log.entries).toEqual(before.log.entries);
    expect(after.log.checkpoint().split("\n").slice(0, 3)).toEqual(checkpoint);
    expect([...after.log.search([`sha256:${sha256Of("kept:1")}`])]).toEqual([logged.uuid]);
    expect(after.log.attestation(logged)).toEqual(statementAbout("kept:1"));
    expect(() => after.log.append(entry("kept:3"))).not.toThrow();
    await after.close();
  });

  test("holds the trusted root, the log's key, and private keys nobody else can read", async () => {
    const sigstore = await startSigstore({ out });
    await sigstore.close();
    expect(sigstore.trustedRootPath).toBe(join(out, "trusted_root.json"));
    expect(JSON.parse(readFileSync(join(out, "trusted_root.json"), "utf8"))).toEqual(sigstore.trustedRoot);
    expect(readFileSync(join(out, "rekor.pub"), "utf8")).toBe(sigstore.rekorPublicKey);
    expect(statSync(join(out, "keys", "rekor-v1.pem")).mode & 0o077).toBe(0);
  });

  test("with a broken log file is refused by name and line", async () => {
    await (await startSigstore({ out })).close();
    appendFileSync(join(out, "rekor-v1.jsonl"), '{"body":');
    await expect(startSigstore({ out })).rejects.toThrow(/rekor-v1\.jsonl": line 1 is not JSON/);
  });
});

test("the trusted root names every service and since when it is to be trusted", async () => {
  const sigstore = await startSigstore();
  const since = { start: expect.stringMatching(/^\d{4}-.*Z$/) };
  const log = { baseUrl: sigstore.url, publicKey: { validFor: since } };
  expect(sigstore.trustedRoot).toMatchObject({
    mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    tlogs: [
      { ...log, logId: { keyId: sigstore.log.logId.toString("base64") } },
      { ...log, logId: { keyId: sigstore.logV2.logId.toString("base64") } },
    ],
    ctlogs: [log],
    certificateAuthorities: [{ validFor: since, certChain: { certificates: [expect.anything()] } }],
    timestampAuthorities: [
      { validFor: since, certChain: { certificates: [expect.anything(), expect.anything()] } },
    ],
  });
  await sigstore.close();
});

test("search and payload trail behind the tree when asked to, as on the real server", async () => {
  const sigstore = await startSigstore({ lag: 60_000 });
  const { uuid } = sigstore.log.append(entry("slow:1"));
  expect(sigstore.log.search([`sha256:${sha256Of("slow:1")}`]).size).toBe(0);
  const answered = await fetch(`${sigstore.url}/api/v1/log/entries/${uuid}`);
  expect(await answered.text()).not.toContain("attestation");
  await sigstore.close();
});

test("what a log that lies would hold can be put in unchecked", async () => {
  const sigstore = await startSigstore();
  const body = Buffer.from('{"junk":true}');
  const { uuid } = sigstore.log.force({ body, indexKeys: ["sha256:00"] });
  expect([...sigstore.log.search(["sha256:00"])]).toEqual([uuid]);
  expect(() => sigstore.log.force({ body, indexKeys: [] })).toThrow("equivalent entry already exists");
  await sigstore.close();
});

describe("a server told to misbehave", () => {
  let sigstore: Sigstore;
  beforeEach(async () => {
    sigstore = await startSigstore();
  });
  afterEach(() => sigstore.close());
  const log = (rule: FaultRule) => {
    sigstore.misbehave(rule);
    return fetch(`${sigstore.url}/api/v1/log`);
  };

  test("answers what it was told to, so often and only there", async () => {
    const html = { kind: "answer", status: 502, body: "<html>", contentType: "text/html" } as const;
    const first = await log({ path: "/api/v1/log", times: 1, fault: html });
    expect([first.status, await first.text()]).toEqual([502, "<html>"]);
    expect((await fetch(`${sigstore.url}/api/v1/log`)).status).toBe(200);
    const lift = sigstore.misbehave({ method: "POST", path: /entries/, fault: html });
    expect((await fetch(`${sigstore.url}/api/v1/log`)).status).toBe(200);
    expect((await fetch(`${sigstore.url}/api/v1/log/entries`, { method: "POST" })).status).toBe(502);
    lift();
    expect((await fetch(`${sigstore.url}/api/v1/log/entries`, { method: "POST" })).status).toBe(415);
  });

  test("is late", async () => {
    const start = performance.now();
    const response = await log({ fault: { kind: "delay", ms: 80 } });
    expect(response.status).toBe(200);
    expect(performance.now() - start).toBeGreaterThanOrEqual(79);
  });

  test("stops half-way through a body", async () => {
    const response = await log({ fault: { kind: "truncate", bytes: 10 } });
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
  });

  test("sends more than anybody should read", async () => {
    const response = await log({ fault: { kind: "oversize", bytes: 3_000_000 } });
    const text = await response.text();
    expect(text.length).toBeGreaterThanOrEqual(3_000_000);
    expect(JSON.parse(text)).toMatchObject({ treeSize: 0 });
  });

  test("sends another answer than the correct one", async () => {
    const fault = {
      kind: "rewrite",
      change: (response) => ({
        ...response,
        body: String(response.body).replace('"treeSize":0', '"treeSize":9'),
      }),
    } satisfies FaultRule["fault"];
    expect(await (await log({ fault })).json()).toMatchObject({ treeSize: 9 });
  });

  test.for([
    { kind: "drop", logged: 0 },
    { kind: "lose", logged: 1 },
  ] as const)("closes the connection ($kind) with $logged entries logged", async ({ kind, logged }) => {
    sigstore.misbehave({ times: 1, fault: { kind } });
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify(entry("lost:1"));
    await expect(
      fetch(`${sigstore.url}/api/v1/log/entries`, { method: "POST", headers, body }),
    ).rejects.toThrow();
    expect(sigstore.log.size).toBe(logged);
  });

  test("tells which requests there were", async () => {
    await log({ fault: { kind: "delay", ms: 0 } });
    expect(sigstore.requests).toEqual(["GET /api/v1/log"]);
  });
});

describe("a server stays up", () => {
  let sigstore: Sigstore;
  beforeEach(async () => {
    sigstore = await startSigstore();
  });
  afterEach(async () => {
    expect((await fetch(`${sigstore.url}/api/v1/log`)).status).toBe(200);
    await sigstore.close();
  });

  test("when a body is too large", async () => {
    const body = Buffer.alloc(9 * 1024 * 1024, " ");
    const response = await fetch(`${sigstore.url}/api/v1/log/entries`, { method: "POST", body });
    expect(response.status).toBe(413);
  });

  test.for(["/api/v2/signingCert", "/api/v1/timestamp"])("when %s is sent junk", async (path) => {
    for (const body of ["", "{", "null", "[]", '{"credentials":1}', '{"artifactHash":{}}']) {
      const response = await fetch(`${sigstore.url}${path}`, { method: "POST", body });
      expect([400, 415, 422]).toContain(response.status);
    }
    expect([405, 501]).toContain((await fetch(`${sigstore.url}${path}`)).status);
  });

  test.for([
    { what: "is not HTTP", bytes: "hello\r\n\r\n", answer: "HTTP/1.1 400" },
    {
      what: "has a URL that is none",
      bytes: "GET //%%?%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
      answer: "HTTP/1.1 404",
    },
    {
      what: "breaks off",
      bytes: "POST /api/v1/log/entries HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{",
      answer: "",
    },
  ])("when a request $what", async ({ bytes, answer }) => {
    const { port, hostname } = new URL(sigstore.url);
    const socket = connect({ host: hostname, port: Number(port) });
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", () => undefined);
    socket.end(bytes);
    await once(socket, "close");
    expect(Buffer.concat(chunks).toString()).toMatch(new RegExp(`^${answer}`));
  });
});

test.for(["127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "http://127.0.0.1:1", ""])(
  'refuses to listen on "%s"',
  async (listen) => {
    await expect(startSigstore({ listen })).rejects.toThrow("write ADDRESS:PORT");
  },
);

describe("the program", () => {
  const program = join(import.meta.dirname, "main.ts");

  test("serves until it is told to stop, and prints where", async () => {
    const out = mkdtempSync(join(tmpdir(), "sigstore-"));
    const child = spawn(process.execPath, [program, "--listen", "127.0.0.1:0", "--out", out]);
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    const url = /^sigstore listens on (http:\/\/127\.0\.0\.1:[1-9]\d*)$/.exec(line)?.[1];
    expect((await fetch(`${url}/api/v1/log`)).status).toBe(200);
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
    rmSync(out, { recursive: true });
  });

  test.for([
    { args: [], code: 2, says: "usage:" },
    { args: ["--listen", "127.0.0.1:0"], code: 2, says: "usage:" },
    { args: ["--listen", "here", "--out", tmpdir()], code: 1, says: "write ADDRESS:PORT" },
  ])("ends with $code when called with $args", async ({ args, code, says }) => {
    const child = spawn(process.execPath, [program, ...args]);
    const chunks: Buffer[] = [];
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    expect(await once(child, "close")).toEqual([code, null]);
    expect(Buffer.concat(chunks).toString()).toContain(says);
  });
});

// SPDX-License-Identifier: Apache-2.0
import { RFC3161Timestamp } from "@sigstore/core";
import { createHash } from "node:crypto";
import type { RequestListener } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { sendHttp } from "../../../src/courier/server/http.ts";
import { timestampOf } from "../../../src/courier/server/timestamp.ts";
import { startSigstore, type Sigstore } from "../../sigstore/sigstore.ts";
import { closedPort, json, localServer, within } from "../local-server.ts";

const signature = Buffer.from("a signature");
const PATH = "/api/v1/timestamp";

async function sigstore(): Promise<Sigstore> {
  const started = await startSigstore();
  onTestFinished(() => started.close());
  return started;
}

const timestamp = (authorities: readonly string[], ms = 5_000) =>
  timestampOf(sendHttp, { authorities, signature, signal: within(ms) });

const imprint = (der: Buffer) =>
  RFC3161Timestamp.parse(Buffer.from(der)).tstInfo.messageImprintHashedMessage.toString("hex");
const expected = createHash("sha256").update(signature).digest("hex");

describe("a signature is timestamped", () => {
  test.for([
    { row: "an authority whose host alone is named", path: "" },
    { row: "one that is named with a slash at its end", path: "/" },
    { row: "one that is named with its path", path: PATH },
  ])("by $row", async ({ path }) => {
    const server = await sigstore();
    expect(imprint(await timestamp([`${server.url}${path}`]))).toBe(expected);
    expect(server.requests).toEqual([`POST ${PATH}`]);
  });

  test("by the first that answers, and no other is asked", async () => {
    const [first, second] = [await sigstore(), await sigstore()];
    await timestamp([first.url, second.url]);
    expect(second.requests).toEqual([]);
  });

  test("by an authority that fails for a moment", async () => {
    const server = await sigstore();
    server.misbehave({ times: 1, fault: { kind: "answer", status: 503, body: "" } });
    expect(imprint(await timestamp([server.url]))).toBe(expected);
  });

  test("with nothing but the signature's hash sent", async () => {
    let body = "";
    const { url, headers } = await localServer((request, response) => {
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => json({})(request, response));
    });
    await expect(timestamp([url.href])).rejects.toMatchObject({ code: "bad-answer" });
    const artifactHash = Buffer.from(expected, "hex").toString("base64");
    expect(JSON.parse(body)).toEqual({ artifactHash, hashAlgorithm: "sha256" });
    // Sigstore's authority takes no other spelling.
    expect(headers[0]?.["content-type"]).toBe("application/json");
    expect(headers[0]).not.toHaveProperty("authorization");
  });
});

const answer =
  (status: number, body: string | Buffer = ""): RequestListener =>
  (_, response) => {
    response.writeHead(status);
    response.end(body);
  };

/** Each way of giving no timestamp. */
const FAILURES: readonly { row: string; said: RequestListener; code: string; says: string }[] = [
  { row: "refuses", said: answer(400, "hash?"), code: "refused", says: 'status 400, "hash?"' },
  { row: "has no such path", said: answer(404), code: "refused", says: "status 404, no body" },
  { row: "fails", said: answer(500, "oops"), code: "unreachable", says: 'status 500, "oops"' },
  { row: "has enough", said: answer(429), code: "unreachable", says: "status 429" },
  { row: "redirects", said: answer(302), code: "bad-answer", says: "status 302" },
  {
    row: "answers HTML",
    said: answer(200, "<html>"),
    code: "bad-answer",
    says: 'the answer is not a timestamp (status 200, "<html>")',
  },
  { row: "answers nothing", said: answer(200), code: "bad-answer", says: "not a timestamp" },
  {
    row: "rejects in its own words",
    // PKIStatus 2, without a token.
    said: answer(201, Buffer.from("30053003020102", "hex")),
    code: "bad-answer",
    says: "not a timestamp",
  },
  {
    row: "answers more than any timestamp",
    said: answer(200, Buffer.alloc(70_000)),
    code: "bad-answer",
    says: "larger than 65536 bytes",
  },
  { row: "hangs up", said: (request) => request.destroy(), code: "unreachable", says: "socket hang up" },
];

describe("no timestamp is given", () => {
  test.for(FAILURES)("when the only authority $row ($code)", async ({ said, code, says }) => {
    const { url } = await localServer(said);
    const done = timestamp([url.href]);
    await expect(done).rejects.toMatchObject({ code });
    await expect(done).rejects.toThrow(`POST ${url.origin}${PATH}: `);
    await expect(done).rejects.toThrow(says);
  });

  test("for another signature", async () => {
    const server = await sigstore();
    const other = await timestampOf(sendHttp, {
      authorities: [server.url],
      signature: Buffer.from("another one"),
      signal: within(5_000),
    });
    const { url } = await localServer(answer(200, other));
    const done = timestamp([url.href]);
    await expect(done).rejects.toMatchObject({ code: "bad-answer" });
    await expect(done).rejects.toThrow("the answer is a timestamp of something else");
  });

  test("when nobody listens", async () => {
    const { href } = await closedPort();
    await expect(timestamp([href], 1_000)).rejects.toMatchObject({ code: "unreachable" });
  });

  test("in time", async () => {
    const { url } = await localServer(() => undefined);
    await expect(timestamp([url.href], 200)).rejects.toMatchObject({
      code: "unreachable",
      message: `POST ${url.origin}${PATH}: no answer in time`,
    });
  });

  test("by an address with credentials, which are not shown", async () => {
    const done = timestamp(["https://me:hunter2@tsa.example"]);
    await expect(done).rejects.toMatchObject({ code: "refused" });
    await expect(done).rejects.not.toThrow(/hunter2/);
  });

  test("when nobody is named", async () => {
    await expect(timestamp([])).rejects.toMatchObject({ code: "refused" });
  });
});

describe("of several authorities", () => {
  test.for(FAILURES)("the next is asked when the first $row", async ({ said }) => {
    const { url } = await localServer(said);
    const server = await sigstore();
    expect(imprint(await timestamp([url.href, server.url]))).toBe(expected);
  });

  test("all are told when none answers, and that asking again may help", async () => {
    const [refusing, failing] = [await localServer(answer(400)), await localServer(answer(503))];
    const done = timestamp([refusing.url.href, failing.url.href]);
    await expect(done).rejects.toMatchObject({ code: "unreachable" });
    await expect(done).rejects.toThrow(
      /^no timestamp authority gave a timestamp: POST .*: the timestamp authority answered status 400, no body; POST .* status 503/,
    );
  });
});

// SPDX-License-Identifier: Apache-2.0
import { globalAgent } from "node:https";
import { gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { mediaTypeOf, sendHttp, shownUrl, type HttpRequest } from "../../../src/courier/server/http.ts";
import { certificate, closedPort, inTurn, json, localServer, within } from "../local-server.ts";

const get = (url: URL, more: Partial<HttpRequest> = {}): HttpRequest => ({
  method: "GET",
  url,
  maxBytes: 1000,
  signal: within(5_000),
  ...more,
});

describe("an answer", () => {
  test("comes with status, headers in lower case and the exact bytes", async () => {
    const { url } = await localServer((_, response) => {
      response.writeHead(418, { "X-Pot": "Tea", "Content-Type": "text/Plain; charset=utf-8" });
      response.end(Buffer.from([0, 255, 10]));
    });
    const answer = await sendHttp(get(url));
    expect(answer).toMatchObject({
      status: 418,
      headers: { "x-pot": "Tea" },
      bytes: Buffer.from([0, 255, 10]),
    });
    expect(mediaTypeOf(answer)).toBe("text/plain");
  });

  test("of a POST is to the body as it was given", async () => {
    const { url, asked, headers } = await localServer((request, response) => request.pipe(response));
    const answer = await sendHttp(get(url, { method: "POST", body: "søknad" }));
    expect(answer.bytes.toString()).toBe("søknad");
    expect(asked).toEqual(["POST /"]);
    expect(headers[0]).toMatchObject({ "content-length": "7", "accept-encoding": "identity" });
  });

  test("that is compressed nevertheless is not unpacked, so that its limit is the one of what is kept", async () => {
    const packed = gzipSync("a".repeat(100_000));
    const { url } = await localServer((_, response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.end(packed);
    });
    expect((await sendHttp(get(url))).bytes).toEqual(packed);
  });

  test("of exactly the limit is read", async () => {
    const { url } = await localServer((_, response) => response.end("a".repeat(1000)));
    expect((await sendHttp(get(url))).bytes).toHaveLength(1000);
  });

  test("that is a redirect is given back, not followed", async () => {
    const { url, asked } = await localServer((_, response) => {
      response.writeHead(302, { location: "/elsewhere" });
      response.end();
    });
    expect((await sendHttp(get(url))).status).toBe(302);
    expect(asked).toHaveLength(1);
  });

  test("comes over TLS from a server whose certificate is trusted", async () => {
    const before = globalAgent.options.ca;
    globalAgent.options.ca = certificate;
    onTestFinished(() => {
      globalAgent.options.ca = before;
    });
    const { url } = await localServer((_, response) => response.end("secure"), { tls: true });
    expect((await sendHttp(get(url))).bytes.toString()).toBe("secure");
  });
});

describe("no answer", () => {
  test.for([
    {
      row: "announced larger than the limit",
      reason: "too-large",
      text: "larger than 1000 bytes",
      tries: 1,
      answer: { headers: { "content-length": "1001" }, body: "a".repeat(1001) },
    },
    {
      row: "larger than the limit without saying so",
      reason: "too-large",
      text: "larger than 1000 bytes",
      tries: 1,
      answer: { headers: {}, body: "a".repeat(200_000) },
    },
    {
      row: "cut off before its announced length",
      reason: "truncated",
      text: "ended after 3 bytes",
      tries: 2,
      answer: { headers: { "content-length": "100" }, body: "abc", cut: true },
    },
    {
      row: "cut off in the middle of its chunks",
      reason: "truncated",
      text: "ended after 3 bytes",
      tries: 2,
      answer: { headers: {}, body: "abc", cut: true },
    },
    {
      row: "a closed connection",
      reason: "no-connection",
      text: "socket hang up",
      tries: 2,
      answer: undefined,
    },
  ])("when it is $row ($reason)", async ({ reason, text, tries, answer }) => {
    const { url, asked } = await localServer((request, response) => {
      if (answer === undefined) {
        request.socket.destroy();
        return;
      }
      response.writeHead(200, answer.headers);
      if (answer.cut) response.write(answer.body, () => request.socket.destroy());
      else response.end(answer.body);
    });
    await expect(sendHttp(get(url, { attempts: 2 }))).rejects.toMatchObject({
      name: "HttpError",
      reason,
      code: reason === "too-large" ? "bad-answer" : "unreachable",
      message: expect.stringContaining(text) as string,
    });
    expect(asked).toHaveLength(tries);
  });

  test("when nobody listens", async () => {
    const url = await closedPort();
    await expect(sendHttp(get(url, { attempts: 1 }))).rejects.toMatchObject({
      reason: "no-connection",
      message: `GET ${url.href}: connect ECONNREFUSED ${url.host}`,
    });
  });

  test("when the server does not speak HTTP", async () => {
    const { url } = await localServer((request) => request.socket.end("SSH-2.0-OpenSSH_9.2\r\n"));
    await expect(sendHttp(get(url, { attempts: 1 }))).rejects.toMatchObject({
      reason: "no-connection",
      message: expect.stringContaining("Parse Error") as string,
    });
  });

  test("when the certificate is not trusted", async () => {
    const { url, asked } = await localServer((_, response) => response.end("trust me"), { tls: true });
    await expect(sendHttp(get(url, { attempts: 1 }))).rejects.toMatchObject({
      reason: "no-connection",
      message: expect.stringContaining("self-signed certificate") as string,
    });
    expect(asked).toEqual([]);
  });

  test("when the URL is of another scheme", async () => {
    await expect(sendHttp(get(new URL("file:///etc/passwd"), { attempts: 1 }))).rejects.toMatchObject({
      reason: "no-connection",
    });
  });

  test.for([
    { row: "says nothing", body: undefined },
    { row: "stops in the middle of the body", body: "abc" },
  ])("in time, when the server $row", async ({ body }) => {
    const { url, asked } = await localServer((_, response) => {
      if (body === undefined) return;
      response.writeHead(200);
      response.write(body);
    });
    const signal = within(150);
    await expect(sendHttp(get(url, { signal }))).rejects.toMatchObject({
      reason: "timeout",
      message: `GET ${url.href}: no answer in time`,
    });
    expect(asked).toHaveLength(1);
  });

  test("is asked for, when the time is over before", async () => {
    const { url, asked } = await localServer(json({}));
    await expect(sendHttp(get(url, { signal: AbortSignal.abort() }))).rejects.toMatchObject({
      reason: "timeout",
    });
    expect(asked).toEqual([]);
  });
});

describe("asking again", () => {
  test.for([429, 500, 502, 503, 504])("helps when status %i passes", async (status) => {
    const { url, asked } = await localServer(inTurn(json({}, status), json({ fine: true })));
    expect((await sendHttp(get(url))).status).toBe(200);
    expect(asked).toHaveLength(2);
  });

  test("helps when a connection breaks once", async () => {
    const { url } = await localServer(inTurn((request) => request.socket.destroy(), json({ fine: true })));
    expect((await sendHttp(get(url))).status).toBe(200);
  });

  test("ends after four times with what the server last said", async () => {
    const { url, asked } = await localServer(json({ code: 500 }, 500));
    expect((await sendHttp(get(url))).status).toBe(500);
    expect(asked).toHaveLength(4);
  });

  test("is not done for other statuses", async () => {
    const { url, asked } = await localServer(json({}, 404));
    expect((await sendHttp(get(url))).status).toBe(404);
    expect(asked).toHaveLength(1);
  });

  test("is not done for a POST that nobody calls repeatable", async () => {
    const { url, asked } = await localServer(json({}, 503));
    expect((await sendHttp(get(url, { method: "POST", body: "{}" }))).status).toBe(503);
    expect(asked).toHaveLength(1);
  });

  test("waits as long as the server asks, and gives its answer when there is not so much time", async () => {
    const { url, asked } = await localServer((_, response) => {
      response.writeHead(429, { "retry-after": "2" });
      response.end();
    });
    const answer = await sendHttp(get(url, { signal: within(300) }));
    expect(answer.status).toBe(429);
    expect(asked).toHaveLength(1);
  });
});

test("a URL is shown without query, credentials and control characters", () => {
  const url = new URL("https://user:pw@example.org/a%0Ab/\u202Etxt?token=secret#x");
  expect(shownUrl(url)).toBe("https://example.org/a%0Ab/%E2%80%AEtxt");
});

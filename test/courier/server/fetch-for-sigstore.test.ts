// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { makeFetchHappen } from "../as-shipped.ts";
import { inTurn, json, localServer } from "../local-server.ts";

/** What @sigstore/sign itself requires, the way it requires it. */
type Fetch = (
  url: string,
  options?: object,
) => Promise<{
  ok: boolean;
  status: number;
  statusText: string;
  headers: { get(name: string): string | null };
  json(): Promise<unknown>;
  buffer(): Promise<Buffer>;
}>;
// CommonJS built from TypeScript reads it so, when the module says that it has a default export.
const required = makeFetchHappen as { readonly default: Fetch };
const ask = required.default;

test("stands where CommonJS looks for a default export", () => {
  expect(required).toMatchObject({ __esModule: true });
  expect(ask.name).toBe("fetchForSigstore");
});

test("posts JSON and reads the answer", async () => {
  const { url, headers } = await localServer((request, response) => {
    response.writeHead(201, { location: "/entry", "content-type": "application/json" });
    request.pipe(response);
  });
  const answer = await ask(url.href, {
    method: "POST",
    headers: { "user-agent": "me" },
    body: '{"a":1}',
    retry: false,
  });
  expect(answer).toMatchObject({ ok: true, status: 201, statusText: "status 201" });
  expect([answer.headers.get("Location"), answer.headers.get("etag")]).toEqual(["/entry", null]);
  expect(await answer.json()).toEqual({ a: 1 });
  expect(await answer.buffer()).toEqual(Buffer.from('{"a":1}'));
  expect(headers[0]?.["user-agent"]).toBe("me");
});

test("answers of 400 and more are not ok", async () => {
  const { url, asked } = await localServer(json({ message: "no" }, 409));
  expect(await ask(url.href, { method: "GET" })).toMatchObject({ ok: false, status: 409 });
  expect(asked).toEqual(["GET /"]);
});

test("asks again when the server fails for a moment", async () => {
  const { url, asked } = await localServer(inTurn(json({}, 502), json({}, 201)));
  expect(await ask(url.href, { body: "{}" })).toMatchObject({ status: 201 });
  expect(asked).toEqual(["POST /", "POST /"]);
});

test("an answer over 4 MiB is none", async () => {
  const { url } = await localServer((_, response) => response.end(Buffer.alloc(4 * 1024 * 1024 + 1)));
  await expect(ask(url.href, { body: "{}" })).rejects.toMatchObject({ reason: "too-large" });
});

test("an answer after the timeout is none", async () => {
  const { url } = await localServer(() => undefined);
  await expect(ask(url.href, { body: "{}", timeout: 100 })).rejects.toMatchObject({ reason: "timeout" });
});

test("an answer that is no JSON cannot be read as JSON", async () => {
  const { url } = await localServer((_, response) => response.end("<html>"));
  await expect((await ask(url.href)).json()).rejects.toThrow(SyntaxError);
});

// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { onTestFinished } from "vitest";

/** The certificate of servers started with `tls`, to be trusted. */
export const certificate = readFileSync(new URL("./tls/server-certificate.pem", import.meta.url), "utf8");

/** A server on loopback that the running test started and that ends with it. */
export interface LocalServer {
  readonly url: URL;
  readonly host: string;
  /** What it was asked, `METHOD path` each. */
  readonly asked: readonly string[];
  /** The requests' headers, in the same order. */
  readonly headers: readonly IncomingMessage["headers"][];
}

/** Starts one for the running test. */
export async function localServer(
  answer: RequestListener,
  { tls = false }: { readonly tls?: boolean } = {},
): Promise<LocalServer> {
  const asked: string[] = [];
  const headers: IncomingMessage["headers"][] = [];
  const listener: RequestListener = (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    headers.push(request.headers);
    request.resume();
    answer(request, response);
  };
  const key = tls ? readFileSync(new URL("./tls/server-key.pem", import.meta.url)) : "";
  const server: Server = tls ? createTlsServer({ key, cert: certificate }, listener) : createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  const host = `127.0.0.1:${address.port}`;
  return { url: new URL(`${tls ? "https" : "http"}://${host}/`), host, asked, headers };
}

/** A loopback address where nobody listens. */
export async function closedPort(): Promise<URL> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("the server had no port");
  return new URL(`http://127.0.0.1:${address.port}/`);
}

/** Answers with this JSON. */
export function json(value: unknown, status = 200): RequestListener {
  return (_request, response) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(value));
  };
}

/** The first request gets the first answer, and so on; the last answer goes on. */
export function inTurn(...answers: readonly [RequestListener, ...RequestListener[]]): RequestListener {
  let next = 0;
  return (request, response) => {
    const answer = answers[Math.min(next++, answers.length - 1)] ?? answers[0];
    answer(request, response);
  };
}

/** A signal that ends what hangs, after this many milliseconds. */
export function within(ms: number): AbortSignal {
  return AbortSignal.timeout(ms);
}

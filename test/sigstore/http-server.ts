// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";
import { jsonResponse, type ApiRequest, type ApiResponse } from "./api-exchange.ts";
import type { Fault, Faults } from "./faults.ts";

/** A server that answers. */
export interface RunningServer {
  /** `http://ADDRESS:PORT`, with the port that was really bound. */
  readonly url: string;
  /** Closes it and every connection it has; a second call does nothing. */
  close(): Promise<void>;
}

/** Where to listen, read from `ADDRESS:PORT`. */
export interface ListenAddress {
  /** As it stands in a URL: an IPv6 address is in brackets. */
  readonly host: string;
  readonly port: number;
}

/** An address to listen on that is not one. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

const MAX_BODY_BYTES = 8 * 1024 * 1024;
const BAD_REQUEST = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/** Reads `ADDRESS:PORT` or `[ADDRESS]:PORT`. Throws ListenError. */
export function parseListen(text: string): ListenAddress {
  const [, host, port] = /^(\[[0-9a-f:.]+\]|[\w.-]+):(\d{1,5})$/i.exec(text) ?? [];
  if (host === undefined || port === undefined || Number(port) > 65535) {
    throw new ListenError(`listen on "${text}": not an address and port; write ADDRESS:PORT`);
  }
  return { host: host.toLowerCase(), port: Number(port) };
}

/**
 * Serves HTTP; port 0 binds a free one. Bodies over 8 MiB get 413, what is not HTTP gets 400, and a handler that throws
 * gets 500. Throws node:net's errors when the address cannot be bound.
 */
export async function serveHttp(options: {
  readonly listen: ListenAddress;
  readonly faults: Faults;
  readonly handle: (request: ApiRequest) => ApiResponse | Promise<ApiResponse>;
}): Promise<RunningServer> {
  const { host, port } = options.listen;
  const closing = new AbortController();
  const server = createServer((message, response) => {
    answer(message, response).catch(() => message.socket.destroy());
  });
  server.on("clientError", (_error, socket) => {
    if (socket.writable) socket.end(BAD_REQUEST);
    else socket.destroy();
  });

  async function answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await readRequest(message);
    if (request === undefined) {
      const text = `Request Entity Too Large. Limit set to ${MAX_BODY_BYTES}`;
      send(response, jsonResponse(413, { code: 413, message: text }, { Connection: "close" }));
      return;
    }
    const fault = options.faults.next(request);
    if (fault?.kind === "drop") message.socket.destroy();
    else if (fault?.kind === "answer") send(response, answerOf(fault));
    else await sendWith(fault, await handled(request), response);
  }

  async function handled(request: ApiRequest): Promise<ApiResponse> {
    try {
      return await options.handle(request);
    } catch (error) {
      // Nobody else would hear of it: a bug in this program, not in what the client sent.
      console.error(`${request.method} ${request.path}:`, error);
      return jsonResponse(500, { code: 500, message: "Internal Server Error" });
    }
  }

  async function sendWith(
    fault: Fault | undefined,
    correct: ApiResponse,
    response: ServerResponse,
  ): Promise<void> {
    switch (fault?.kind) {
      case "delay":
        await setTimeout(fault.ms, undefined, { signal: closing.signal });
        return send(response, correct);
      case "rewrite":
        return send(response, fault.change(correct));
      case "truncate":
        response.writeHead(correct.status, {
          ...correct.headers,
          "Content-Length": Buffer.byteLength(correct.body),
        });
        response.write(Buffer.from(correct.body).subarray(0, fault.bytes), () => response.destroy());
        return undefined;
      case "oversize":
        response.writeHead(correct.status, { ...correct.headers });
        // It rejects when the reader gives up, which ends the connection.
        return pipeline(padded(correct.body, fault.bytes), response);
      case "lose":
      case "drop":
        response.destroy();
        return undefined;
      case "answer":
      case undefined:
        return send(response, correct);
    }
  }

  server.listen({ host: host.replaceAll(/[[\]]/g, ""), port });
  await once(server, "listening");
  const address = server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  return {
    url: `http://${host}:${bound}`,
    async close() {
      if (closing.signal.aborted) return;
      closing.abort();
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Undefined when the body is over the limit. */
async function readRequest(message: IncomingMessage): Promise<ApiRequest | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    // The rest is read and thrown away, so that the answer is not lost in a connection reset.
    if (size <= MAX_BODY_BYTES) chunks.push(chunk);
    else if (size > 2 * MAX_BODY_BYTES) break;
  }
  if (size > MAX_BODY_BYTES) return undefined;
  const target = message.url ?? "/";
  const question = target.indexOf("?");
  return {
    method: message.method ?? "GET",
    path: question < 0 ? target : target.slice(0, question),
    query: new URLSearchParams(question < 0 ? "" : target.slice(question)),
    // The few that clients may send more than once have no meaning here.
    headers: {
      "content-type": message.headers["content-type"],
      authorization: message.headers.authorization,
    },
    mediaType: (message.headers["content-type"] ?? "").split(";", 1).join("").trim().toLowerCase(),
    body: Buffer.concat(chunks),
  };
}

function answerOf(fault: Extract<Fault, { kind: "answer" }>): ApiResponse {
  const headers = { "Content-Type": fault.contentType ?? "application/json" };
  return { status: fault.status, headers, body: fault.body };
}

function send(response: ServerResponse, { status, headers, body }: ApiResponse): void {
  response.writeHead(status, { ...headers, "Content-Length": Buffer.byteLength(body) });
  response.end(body);
}

/** The body, and spaces behind it until there are so many bytes. */
function* padded(body: string | Buffer, bytes: number): Generator<Buffer> {
  const start = Buffer.from(body);
  yield start;
  const spaces = Buffer.alloc(64 * 1024, " ");
  for (let left = bytes - start.length; left > 0; left -= spaces.length) yield spaces;
}

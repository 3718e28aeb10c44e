// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";

/** What stands in front of a server, as a reverse proxy. */
export interface ServerFront {
  readonly url: string;
  close(): Promise<void>;
}

/** Where the server behind it listens. */
export type Behind = { readonly socketPath: string } | { readonly host: string; readonly port: number };

/**
 * Passes requests to the server behind it and its answers back, all as they are. A GET of a path that `file` names a
 * file for is answered with that file, or with 404 when there is none.
 */
export async function serveFront(options: {
  readonly host: string;
  readonly behind: Behind;
  readonly file?: (path: string) => string | undefined;
}): Promise<ServerFront> {
  const { host, behind, file = () => undefined } = options;
  const server = createServer((incoming, response) => {
    const path = incoming.method === "GET" ? file(incoming.url ?? "/") : undefined;
    const answered = path === undefined ? passOn(incoming, response, behind) : sendFile(path, response);
    answered.catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end(`cannot pass this on: ${String(error)}`);
    });
  });
  server.listen(0, host);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("a TCP server has a port");
  return {
    url: `http://${host}:${address.port}`,
    async close() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function passOn(incoming: IncomingMessage, response: ServerResponse, behind: Behind): Promise<void> {
  const { method, url, headers } = incoming;
  const outgoing = request({ ...behind, method, path: url, headers, agent: false });
  const answered = once(outgoing, "response") as Promise<[IncomingMessage]>;
  // A server may answer before it has read all of a request, and then reads no more.
  pipeline(incoming, outgoing).catch(() => undefined);
  const [answer] = await answered;
  response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
  await pipeline(answer, response);
}

async function sendFile(path: string, response: ServerResponse): Promise<void> {
  const content = await readFile(path).catch(() => undefined);
  response.writeHead(content === undefined ? 404 : 200, { "Content-Type": "application/octet-stream" });
  response.end(content ?? "");
}

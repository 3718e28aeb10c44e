// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { sha256 } from "../../src/image/digest.ts";

/** A registry of one repository, `team/ledger`, in memory: what the distribution specification says of pulls and pushes, and no more. */
export interface FakeRegistry {
  readonly answer: RequestListener;
  readonly blobs: Map<string, Buffer>;
  /** By tag and by digest. */
  readonly manifests: Map<string, { readonly bytes: Buffer; readonly mediaType: string }>;
}

const BASE = "/v2/team/ledger/";

/** `location` makes the URL that an upload goes to. */
export function fakeRegistry({
  location = (request: IncomingMessage, id: string) => `http://${request.headers.host}${BASE}uploads/${id}`,
} = {}): FakeRegistry {
  const blobs: FakeRegistry["blobs"] = new Map();
  const manifests: FakeRegistry["manifests"] = new Map();
  let uploads = 0;

  const respond = (
    response: ServerResponse,
    status: number,
    headers: Record<string, string> = {},
    body?: Buffer,
  ) => {
    response.writeHead(status, headers);
    response.end(body);
  };
  const put = (request: IncomingMessage, url: URL, bytes: Buffer): [number, Record<string, string>] => {
    const digest = sha256(bytes);
    if (url.pathname.startsWith(`${BASE}manifests/`)) {
      const name = url.pathname.slice(`${BASE}manifests/`.length);
      const content = { bytes, mediaType: request.headers["content-type"] ?? "" };
      manifests.set(name, content).set(digest, content);
    } else {
      if (url.searchParams.get("digest") !== digest) return [400, {}];
      blobs.set(digest, bytes);
    }
    return [201, { "docker-content-digest": digest }];
  };

  return {
    blobs,
    manifests,
    answer(request, response) {
      const url = new URL(`http://${request.headers.host}${request.url}`);
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const name = url.pathname.split("/").at(-1) ?? "";
        if (request.method === "POST") {
          respond(response, 202, { location: location(request, `${++uploads}?_state=a%20b~c==`) });
        } else if (request.method === "PUT") {
          respond(response, ...put(request, url, Buffer.concat(chunks)));
        } else {
          const found = manifests.get(name) ?? {
            bytes: blobs.get(name),
            mediaType: "application/octet-stream",
          };
          if (found.bytes === undefined) respond(response, 404);
          else {
            const headers = { "content-type": found.mediaType, "docker-content-digest": sha256(found.bytes) };
            respond(response, 200, headers, request.method === "HEAD" ? undefined : found.bytes);
          }
        }
      });
    },
  };
}

// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { sha256 } from "../../src/image/digest.ts";

/**
 * A registry in memory: pulls, pushes and lists of tags of the distribution specification, of any number of repositories. It is a
 * fake, for what needs many tags or a registry that misbehaves; the tests on an engine use a real one.
 */
export interface MemoryRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** By repository, and there by tag: the digest. */
  readonly tags: Map<string, Map<string, string>>;
  readonly manifests: Map<string, { readonly bytes: Buffer; readonly mediaType: string }>;
  readonly blobs: Map<string, Buffer>;
  /** `METHOD /path` of all requests since it was last emptied. */
  readonly requests: string[];
  /** The bytes of all bodies that came and went. */
  bytes: number;
  /** Answers a request in its own way; true: it did. */
  fault: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Puts a tag on an image that is distinct by this text; gives its digest. */
  image(repository: string, tag: string, content: string): string;
  close(): Promise<void>;
}

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const PATH = /^\/v2\/(.+)\/(manifests|blobs|tags)\/(.+)$/;
const UPLOAD = /^\/v2\/(.+?)\/(?:blobs\/)?uploads\//;

/** Starts one on loopback. */
export async function startMemoryRegistry(): Promise<MemoryRegistry> {
  const tags: MemoryRegistry["tags"] = new Map();
  const manifests: MemoryRegistry["manifests"] = new Map();
  const blobs: MemoryRegistry["blobs"] = new Map();
  const requests: string[] = [];
  const tagsOf = (repository: string) => {
    const known = tags.get(repository) ?? new Map<string, string>();
    tags.set(repository, known);
    return known;
  };
  const putManifest = (
    repository: string,
    name: string,
    { bytes, mediaType }: { readonly bytes: Buffer; readonly mediaType: string },
  ) => {
    const digest = sha256(bytes);
    manifests.set(digest, { bytes, mediaType });
    if (!name.startsWith("sha256:")) tagsOf(repository).set(name, digest);
    return digest;
  };
  const listed = (repository: string, url: URL): [Record<string, string>, Buffer] => {
    const after = url.searchParams.get("last") ?? "";
    const count = Number(url.searchParams.get("n") ?? 100);
    const all = [...tagsOf(repository).keys()].toSorted();
    const page = all.filter((tag) => tag > after).slice(0, count);
    const next = `</v2/${repository}/tags/list?n=${count}&last=${page.at(-1)}>; rel="next"`;
    const body = Buffer.from(JSON.stringify({ name: repository, tags: page }));
    return [page.length < count ? {} : { link: next }, body];
  };
  const answer = (request: IncomingMessage, response: ServerResponse, body: Buffer) => {
    const { method } = request;
    const url = new URL(request.url ?? "", `http://${request.headers.host}`);
    requests.push(`${method} ${url.pathname}`);
    registry.bytes += body.length;
    if (registry.fault(request, response)) return;
    const say = (status: number, headers: Record<string, string> = {}, bytes?: Buffer) => {
      if (method !== "HEAD") registry.bytes += bytes?.length ?? 0;
      response.writeHead(status, headers).end(method === "HEAD" ? undefined : bytes);
    };
    const [, uploaded] = UPLOAD.exec(url.pathname) ?? [];
    if (uploaded !== undefined) {
      if (method === "POST") return say(202, { location: `/v2/${uploaded}/uploads/1` });
      const digest = sha256(body);
      if (url.searchParams.get("digest") !== digest) return say(400);
      blobs.set(digest, body);
      return say(201, { "docker-content-digest": digest });
    }
    const [, repository = "", kind = "", name = ""] = PATH.exec(url.pathname) ?? [];
    if (kind === "tags") {
      const [link, page] = listed(repository, url);
      return say(200, { "content-type": "application/json", ...link }, page);
    }
    if (method === "PUT") {
      const content = { bytes: body, mediaType: request.headers["content-type"] ?? "" };
      return say(201, { "docker-content-digest": putManifest(repository, name, content) });
    }
    const isTag = kind === "manifests" && !name.startsWith("sha256:");
    const digest = isTag ? (tagsOf(repository).get(name) ?? "") : name;
    const blob = { bytes: blobs.get(digest), mediaType: "application/octet-stream" };
    const found = kind === "blobs" ? blob : manifests.get(digest);
    if (found?.bytes === undefined) return say(404);
    const headers = {
      "content-type": found.mediaType,
      "content-length": String(found.bytes.length),
      "docker-content-digest": digest,
    };
    say(200, headers, found.bytes);
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => answer(request, response, Buffer.concat(chunks)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const registry: MemoryRegistry = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    tags,
    manifests,
    blobs,
    requests,
    bytes: 0,
    fault: () => false,
    image(repository, tag, content) {
      const digest = sha256(content);
      const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest, size: 2 };
      const manifest = { schemaVersion: 2, mediaType: MANIFEST, config, layers: [] };
      return putManifest(repository, tag, {
        bytes: Buffer.from(JSON.stringify(manifest)),
        mediaType: MANIFEST,
      });
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return registry;
}

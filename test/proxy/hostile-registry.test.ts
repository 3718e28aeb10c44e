// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { request } from "node:http";
import { beforeEach, describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { errorIn, type Proxying, pull, type RunningProxy, startProxying } from "./proxying.ts";

let at: Proxying;
let proxy: RunningProxy;
beforeEach(async () => {
  at = await startProxying();
  proxy = await at.proxy();
});

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** Answers what is asked for under `path` in another way. */
function answering(path: string, answer: (request: IncomingMessage, response: ServerResponse) => void): void {
  at.registry.fault = (incoming, response) => {
    if (!incoming.url?.includes(path)) return false;
    answer(incoming, response);
    return true;
  };
}

describe("a registry that lies about a tag", () => {
  test("by a header: the bytes of the digest that it names are served, or nothing", async () => {
    const named = at.registry.image("team/app", "other", "named");
    at.registry.image("team/app", "1.4.2", "one");
    answering("/manifests/1.4.2", (_, response) =>
      response.writeHead(200, { "content-type": MANIFEST, "docker-content-digest": named }).end("{}"),
    );
    const pulled = await pull(proxy, at.path("team/app/manifests/1.4.2"));
    expect(sha256(pulled.body)).toBe(named);
    expect(pulled.headers["docker-content-digest"]).toBe(named);
  });

  test("by bytes that are not the digest", async () => {
    const digest = at.registry.image("team/app", "1.4.2", "one");
    answering(`/manifests/${digest}`, (_, response) =>
      response.writeHead(200, { "content-type": MANIFEST, "docker-content-digest": digest }).end("{}"),
    );
    for (const name of ["1.4.2", digest]) {
      const pulled = await pull(proxy, at.path(`team/app/manifests/${name}`));
      expect(pulled.status).toBeGreaterThanOrEqual(500);
      expect(errorIn(pulled).message).toMatch(/are not "sha256:|has no|cannot|not recorded/);
    }
  });

  test("by a media type that the bytes are not of", async () => {
    const digest = at.registry.image("team/app", "1.4.2", "one");
    const { bytes } = at.registry.manifests.get(digest) ?? { bytes: Buffer.of() };
    at.registry.manifests.set(digest, { bytes, mediaType: "application/vnd.oci.image.index.v1+json" });
    const pulled = await pull(proxy, at.path(`team/app/manifests/${digest}`));
    expect(pulled.status).toBe(502);
    expect(errorIn(pulled).message).toContain("it calls itself");
  });

  test("by Accept: it is always asked in the same way, and gets no credentials", async () => {
    at.registry.image("team/app", "1.4.2", "one");
    const seen = new Set<string>();
    answering("/manifests/1.4.2", ({ headers }, response) => {
      seen.add(`${headers.accept} ${headers.authorization} ${headers.cookie}`);
      response.writeHead(404).end();
    });
    for (const accept of [MANIFEST, "text/html", "*/*"]) {
      const headers = { accept, authorization: "Basic c2VjcmV0OnNlY3JldA==", cookie: "a=b" };
      expect((await pull(proxy, at.path("team/app/manifests/1.4.2"), { headers })).status).toBe(404);
    }
    expect([...seen]).toEqual([expect.stringMatching(/^application\/.* undefined undefined$/)]);
    expect(JSON.stringify(proxy.log)).not.toContain("c2VjcmV0");
  });

  test("by time: what was judged is what is served", async () => {
    const first = at.registry.image("team/app", "1.4.2", "one");
    let heads = 0;
    at.registry.fault = ({ method, url }) => {
      // Once it has confirmed the first image, it names another one.
      if (method === "HEAD" && url?.endsWith("/1.4.2") && ++heads === 2)
        setImmediate(() => at.registry.image("team/app", "1.4.2", "two"));
      return false;
    };
    const pulled = await pull(proxy, at.path("team/app/manifests/1.4.2"));
    expect(sha256(pulled.body)).toBe(first);
  });

  test("by a manifest without an end", async () => {
    const digest = at.registry.image("team/app", "1.4.2", "one");
    answering(`/manifests/${digest}`, (_, response) => {
      response.writeHead(200, { "content-type": MANIFEST });
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(64 * 1024, " ")));
      };
      response.on("drain", more);
      more();
    });
    const pulled = await pull(proxy, at.path(`team/app/manifests/${digest}`));
    expect(pulled.status).toBe(502);
    expect(errorIn(pulled).message).toContain("larger than 4194304 bytes");
  });
});

describe("a blob", () => {
  const bytes = Buffer.alloc(300_000, "layer");
  const digest = sha256(bytes);
  const blob = () => at.path(`team/app/blobs/${digest}`);

  test("is passed on as it is", async () => {
    at.registry.blobs.set(digest, bytes);
    const pulled = await pull(proxy, blob());
    expect(pulled.status).toBe(200);
    expect(pulled.body.equals(bytes)).toBe(true);
    expect(pulled.headers).toMatchObject({
      "content-length": "300000",
      "docker-content-digest": digest,
      "content-type": "application/octet-stream",
    });
    expect(await pull(proxy, blob(), { method: "HEAD" })).toMatchObject({
      status: 200,
      headers: { "content-length": "300000" },
    });
  });

  test("that is not there is unknown", async () => {
    const pulled = await pull(proxy, blob());
    expect(pulled.status).toBe(404);
    expect(errorIn(pulled).code).toBe("BLOB_UNKNOWN");
  });

  test("is cut off before its end when it is another one", async () => {
    answering("/blobs/", (_, response) => {
      response.writeHead(200, { "content-length": "300000" }).end(Buffer.alloc(300_000, "other"));
    });
    await expect(pull(proxy, blob())).rejects.toThrow("aborted");
    expect(proxy.log.find(({ event }) => event === "cut-off")?.["why"]).toContain(
      `bytes of "${digest}" are "sha256:`,
    );
  });

  test("is cut off when the registry ends too early", async () => {
    answering("/blobs/", (_, response) => {
      response.writeHead(200, { "content-length": "300000" });
      response.write(bytes.subarray(0, 1000), () => response.destroy());
    });
    await expect(pull(proxy, blob())).rejects.toThrow(/aborted|socket hang up/);
  });

  test("that leads elsewhere is told to be there, without a byte from here", async () => {
    const location = "https://storage.example.com/layer?signature=secret";
    answering("/blobs/", (_, response) => response.writeHead(307, { location }).end());
    const pulled = await pull(proxy, blob());
    expect(pulled).toMatchObject({ status: 307, headers: { location } });
    expect(JSON.stringify(proxy.log)).not.toContain("signature");
  });

  test("that leads elsewhere on the registry is fetched from there", async () => {
    answering("/blobs/", (_, response) => response.writeHead(302, { location: "/storage/1" }).end());
    const { fault } = at.registry;
    at.registry.fault = (incoming, response) => {
      if (incoming.url !== "/storage/1") return fault(incoming, response);
      response.writeHead(200, { "content-length": "300000" }).end(bytes);
      return true;
    };
    expect((await pull(proxy, blob())).body.equals(bytes)).toBe(true);
  });

  test.for([
    "http://10.0.0.1/layer",
    "http://169.254.169.254/latest",
    "https://user:word@example.com/",
    "//",
  ])("that leads to %s is not served", async (location) => {
    answering("/blobs/", (_, response) => response.writeHead(307, { location }).end());
    const pulled = await pull(proxy, blob());
    expect(pulled.status).toBe(502);
    expect(pulled.headers["location"]).toBeUndefined();
    expect(errorIn(pulled).message).toContain("redirects to");
  });

  test("in part is passed on as a part", async () => {
    let asked: string | undefined;
    answering("/blobs/", ({ headers }, response) => {
      asked = headers.range;
      response
        .writeHead(206, { "content-length": "5", "content-range": "bytes 10-14/300000" })
        .end(bytes.subarray(10, 15));
    });
    const pulled = await pull(proxy, blob(), { headers: { range: "bytes=10-14" } });
    expect(asked).toBe("bytes=10-14");
    expect(pulled).toMatchObject({ status: 206, headers: { "content-range": "bytes 10-14/300000" } });
    expect(pulled.body.equals(bytes.subarray(10, 15))).toBe(true);
    await pull(proxy, blob(), { headers: { range: "bytes=0-1,5-9" } });
    expect(asked).toBeUndefined();
  });

  test("without an end ends when the client goes", async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    answering("/blobs/", (_, response) => {
      response.writeHead(200);
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(64 * 1024, " ")));
      };
      response.on("drain", more);
      response.on("close", resolve);
      more();
    });
    const outgoing = request({ host: "127.0.0.1", port: proxy.port, path: blob(), agent: false });
    outgoing.end();
    const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
    await once(incoming, "data");
    incoming.destroy();
    await closed;
  });
});

// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { readAsked } from "../../src/proxy/asked.ts";
import { sha256 } from "../../src/image/digest.ts";
import { errorIn, type Proxying, pull, type RunningProxy, startProxying } from "./proxying.ts";

const DIGEST = sha256("x");

describe("names are read as Docker reads them", () => {
  test.for([
    ["/v2/alpine/manifests/3.16.0", "docker.io library/alpine"],
    ["/v2/library/alpine/manifests/3.16.0", "docker.io library/alpine"],
    ["/v2/acme/app/manifests/3.16.0", "docker.io acme/app"],
    ["/v2/ghcr.io/distroless/static/manifests/1", "ghcr.io distroless/static"],
    ["/v2/index.docker.io/library/alpine/manifests/1", "docker.io library/alpine"],
    ["/v2/library/alpine/manifests/1?ns=docker.io", "docker.io library/alpine"],
    ["/v2/ghcr.io/app/manifests/1?ns=docker.io", "docker.io ghcr.io/app"],
    ["/v2/team/app/manifests/1?ns=registry.example:5000", "registry.example:5000 team/app"],
    ["/v2/a/manifests/manifests/manifests/1", "docker.io a/manifests/manifests"],
  ] as const)("%s is %s", ([target, name]) => {
    const asked = readAsked(target);
    expect(asked && `${asked.registry} ${asked.repository}`).toBe(name);
  });
});

describe("a name that is none is refused, and no registry is asked", () => {
  let at: Proxying;
  let proxy: RunningProxy;
  beforeEach(async () => {
    at = await startProxying();
    proxy = await at.proxy();
  });

  test.for([
    ["300 components", `/v2/${"a/".repeat(300)}manifests/1`, "NAME_INVALID"],
    ["a long one", `/v2/${"a".repeat(300)}/manifests/1`, "NAME_INVALID"],
    ["dots", "/v2/a/../b/manifests/1", "NAME_INVALID"],
    ["dots at the end", "/v2/a/manifests/..", "TAG_INVALID"],
    ["encoded dots", "/v2/a/%2e%2e/b/manifests/1", "NAME_INVALID"],
    ["an encoded slash", "/v2/a%2Fb/manifests/1", "NAME_INVALID"],
    ["an empty component", "/v2/a//b/manifests/1", "NAME_INVALID"],
    ["capitals", "/v2/Alpine/manifests/1", "NAME_INVALID"],
    ["a host in capitals", "/v2/GHCR.IO/a/manifests/1", "NAME_INVALID"],
    ["a tag in the name", "/v2/a:1/manifests/1", "NAME_INVALID"],
    ["a user", "/v2/user@ghcr.io/a/manifests/1", "NAME_INVALID"],
    ["a tag that is none", "/v2/a/manifests/-x", "TAG_INVALID"],
    ["a digest that is none", "/v2/a/manifests/sha256:abc", "DIGEST_INVALID"],
    ["a blob without a digest", "/v2/a/blobs/latest", "DIGEST_INVALID"],
    ["ns= with a path", "/v2/a/manifests/1?ns=ghcr.io/x", "NAME_INVALID"],
    ["ns= that is no host", "/v2/a/manifests/1?ns=x", "NAME_INVALID"],
    ["ns= with a scheme", "/v2/a/manifests/1?ns=http://ghcr.io", "NAME_INVALID"],
  ] as const)("%s", async ([, path, code]) => {
    const pulled = await pull(proxy, path);
    expect(pulled.status).toBe(400);
    expect(errorIn(pulled).code).toBe(code);
    expect(at.registry.requests).toEqual([]);
  });

  test.for([
    "/v2/localhost:9/a/manifests/1",
    "/v2/127.0.0.1:9/a/manifests/1",
    `/v2/10.1.2.3:5000/a/blobs/${DIGEST}`,
    "/v2/192.168.0.1/a/manifests/1",
    "/v2/169.254.169.254/latest/manifests/1",
    "/v2/0x7f.1/a/manifests/1",
    "/v2/registry.internal/a/manifests/1",
    "/v2/a/manifests/1?ns=[::1]:5000",
    "/v2/a/manifests/1?ns=127.1",
  ])("a host that is not public, and that the policy does not name: %s", async (path) => {
    const pulled = await pull(proxy, path);
    expect(pulled.status).toBe(403);
    expect(errorIn(pulled)).toMatchObject({
      code: "DENIED",
      message: expect.stringContaining("is not of the public internet"),
    });
  });

  test("and what stands behind the question mark is in no log", async () => {
    await pull(proxy, "/v2/Alpine/manifests/1?token=hidden");
    expect(JSON.stringify(proxy.log)).not.toContain("hidden");
    expect(proxy.log).toContainEqual(
      expect.objectContaining({ event: "request", path: "/v2/Alpine/manifests/1", status: 400 }),
    );
  });
});

describe("a client", () => {
  let at: Proxying;
  beforeEach(async () => {
    at = await startProxying();
  });
  const open = async ({ port }: RunningProxy): Promise<Socket> => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  };

  test("that pulls 200 times at once gets 200 images, and the tag is judged once", async () => {
    const digest = at.registry.image("team/app", "1.4.2", "one");
    const proxy = await at.proxy();
    const path = at.path("team/app/manifests/1.4.2");
    const pulled = await Promise.all(Array.from({ length: 200 }, () => pull(proxy, path)));
    expect(new Set(pulled.map(({ status, body }) => `${status} ${sha256(body)}`))).toEqual(
      new Set([`200 ${digest}`]),
    );
    expect(at.sigstore.log.size).toBe(1);
    expect(proxy.log.filter(({ event }) => event === "judged")).toHaveLength(1);
  });

  test("that asks for more at once than may wait is told to come again", async () => {
    at.registry.image("team/app", "1.4.2", "one");
    const proxy = await at.proxy({ limits: { atOnce: 2, waiting: 2 } });
    const path = at.path("team/app/manifests/1.4.2");
    const pulled = await Promise.all(Array.from({ length: 10 }, () => pull(proxy, path)));
    const refused = pulled.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(6);
    for (const each of refused) {
      expect(errorIn(each).code).toBe("TOOMANYREQUESTS");
      expect(each.headers["retry-after"]).toBe("1");
    }
    expect((await pull(proxy, path)).status).toBe(200);
  });

  test("that sends half a request loses its connection", async () => {
    const proxy = await at.proxy({ limits: { headMs: 200 } });
    const socket = await open(proxy);
    socket.write("GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 408 /);
  });

  test("that is silent loses its connection", async () => {
    const proxy = await at.proxy({ limits: { idleMs: 100 } });
    expect(await text(await open(proxy))).toBe("");
  });

  test("that sends a body is refused, and its body is not read", async () => {
    const proxy = await at.proxy();
    const socket = await open(proxy);
    socket.write("GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nabc");
    const said = await text(socket);
    expect(said).toMatch(/^HTTP\/1\.1 405 /);
    expect(said).toContain("a pull has no body");
  });

  test("that closes its half after the question costs nothing", async () => {
    at.registry.image("team/app", "1.4.2", "one");
    const proxy = await at.proxy();
    const socket = await open(proxy);
    socket.end(`GET ${at.path("team/app/manifests/1.4.2")} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await text(socket);
    expect((await pull(proxy, at.path("team/app/manifests/1.4.2"))).status).toBe(200);
  });

  test("that takes a blob too slowly is cut off, and the registry with it", async () => {
    const bytes = Buffer.alloc(64 * 1024 * 1024, "layer");
    const digest = sha256(bytes);
    at.registry.blobs.set(digest, bytes);
    const proxy = await at.proxy({ limits: { pace: { everyMs: 300, minBytes: 1024 } } });
    const socket = await open(proxy);
    socket.pause();
    socket.write(`GET ${at.path(`team/app/blobs/${digest}`)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    while (!proxy.log.some(({ event }) => event === "cut-off"))
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(proxy.log.find(({ event }) => event === "cut-off")?.["why"]).toMatch(
      /bytes in 300 ms are too few/,
    );
    let got = 0;
    socket.on("data", (chunk: Buffer) => (got += chunk.length));
    socket.on("end", () => socket.end());
    socket.resume();
    await once(socket, "close");
    expect(got).toBeLessThan(bytes.length);
  });
});

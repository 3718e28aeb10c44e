// SPDX-License-Identifier: Apache-2.0
import type { RequestListener } from "node:http";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { inTurn, localServer, within } from "../courier/local-server.ts";
import { trustTestServers } from "../courier/trusted-tls.ts";
import { fakeRegistry } from "./fake-registry.ts";
import { answer, opened } from "./opened.ts";

const INDEX = "application/vnd.oci.image.index.v1+json";
const bytes = Buffer.from('{\n "schemaVersion": 2 }');
const digest = sha256(bytes);
const other = sha256("other");
const until = { signal: within(10_000) };
const at = (registry: string) => ({ registry, repository: "team/ledger" });
const path = "/v2/team/ledger";

const manifest = answer(200, { "content-type": INDEX, "docker-content-digest": digest }, bytes);

describe("what is pushed can be read", () => {
  test("by its tag and by its digest, byte for byte", async () => {
    const { host, asked } = await localServer(fakeRegistry().answer);
    const { registry } = opened();
    const repository = at(host);
    expect(await registry.pushManifest(repository, "v1", { bytes, mediaType: INDEX }, until)).toBe(digest);
    expect(await registry.head(repository, "v1", until)).toEqual({ digest, mediaType: INDEX });
    for (const name of ["v1", digest])
      expect(await registry.manifest(repository, name, until)).toEqual({ bytes, digest, mediaType: INDEX });
    expect(asked).toEqual([
      `PUT ${path}/manifests/v1`,
      `HEAD ${path}/manifests/v1`,
      `GET ${path}/manifests/v1`,
      `GET ${path}/manifests/${digest}`,
    ]);
  });

  test("when it is a blob, which is uploaded in one piece to where the registry wants it", async () => {
    const { host, asked } = await localServer(fakeRegistry().answer);
    const { registry, counted } = opened();
    expect(await registry.pushBlob(at(host), bytes, until)).toBe(digest);
    expect(await registry.blob(at(host), digest, { ...until, maxBytes: 100 })).toEqual(bytes);
    const escaped = digest.replace(":", "%3A");
    expect(asked).toEqual([
      `HEAD ${path}/blobs/${digest}`,
      `POST ${path}/blobs/uploads/`,
      // What the registry says of the upload is its own, and comes back letter for letter.
      `PUT ${path}/uploads/1?_state=a%20b~c==&digest=${escaped}`,
      `GET ${path}/blobs/${digest}`,
    ]);
    expect(counted.map(({ method, status, sent, received }) => ({ method, status, sent, received }))).toEqual(
      [
        { method: "HEAD", status: 404, sent: 0, received: 0 },
        { method: "POST", status: 202, sent: 0, received: 0 },
        { method: "PUT", status: 201, sent: bytes.length, received: 0 },
        { method: "GET", status: 200, sent: 0, received: bytes.length },
      ],
    );
  });

  test("and a blob that is there is not uploaded again", async () => {
    const fake = fakeRegistry();
    const { host, asked } = await localServer(fake.answer);
    const { registry } = opened();
    fake.blobs.set(digest, bytes);
    expect(await registry.pushBlob(at(host), bytes, until)).toBe(digest);
    expect(asked).toEqual([`HEAD ${path}/blobs/${digest}`]);
  });

  test("and a blob whose storage takes no HEAD is uploaded", async () => {
    trustTestServers();
    const storage = await localServer(answer(403), { tls: true });
    const fake = fakeRegistry();
    const { host } = await localServer((request, response) => {
      if (request.method === "HEAD") answer(307, { location: storage.url.href })(request, response);
      else fake.answer(request, response);
    });
    await opened().registry.pushBlob(at(host), bytes, until);
    expect(fake.blobs.get(digest)).toEqual(bytes);
  });

  test.for([
    { row: "a path", location: (_: unknown, id: string) => `/elsewhere/${id}` },
    { row: "a relative path", location: (_: unknown, id: string) => id },
  ])("when its upload goes to $row", async ({ location }) => {
    const fake = fakeRegistry({ location });
    const { host } = await localServer(fake.answer);
    await opened().registry.pushBlob(at(host), bytes, until);
    expect(fake.blobs.get(digest)).toEqual(bytes);
  });

  test("when its upload goes to another host by TLS, which does not see the password", async () => {
    trustTestServers();
    const storage = await localServer(fakeRegistry().answer, { tls: true });
    const fake = fakeRegistry({ location: (_, id) => `${storage.url.href}uploads/${id}` });
    const { host } = await localServer((request, response) => {
      if (request.headers.authorization !== undefined) fake.answer(request, response);
      else answer(401, { "www-authenticate": 'Basic realm="r"' })(request, response);
    });
    const { registry } = opened({ credential: { kind: "password", username: "me", password: "hunter2" } });
    await registry.pushBlob(at(host), bytes, until);
    expect(storage.asked).toEqual([expect.stringContaining("PUT /uploads/1?")]);
    expect(storage.headers[0]).not.toHaveProperty("authorization");
  });

  test("when it is a blob that the registry keeps on another host, which does not see the password", async () => {
    trustTestServers();
    const storage = await localServer(answer(200, {}, bytes), { tls: true });
    const { host } = await localServer((request, response) => {
      if (request.headers.authorization === undefined)
        answer(401, { "www-authenticate": 'Basic realm="r"' })(request, response);
      else answer(307, { location: `${storage.url.href}b` })(request, response);
    });
    const { registry } = opened({ credential: { kind: "password", username: "me", password: "hunter2" } });
    expect(await registry.blob(at(host), digest, { ...until, maxBytes: 100 })).toEqual(bytes);
    expect(storage.headers[0]).not.toHaveProperty("authorization");
  });

  test("over connections that are kept", async () => {
    const ports = new Set<number | undefined>();
    const fake = fakeRegistry();
    const { host } = await localServer((request, response) => {
      ports.add(request.socket.remotePort);
      fake.answer(request, response);
    });
    const { registry } = opened();
    for (let i = 0; i < 10; i++)
      await registry.pushManifest(at(host), "v1", { bytes, mediaType: INDEX }, until);
    // The next request may start before the last one's connection is put back.
    expect(ports.size).toBeLessThan(3);
  });
});

describe("what is not there", () => {
  test("is nothing", async () => {
    const { host } = await localServer(answer(404));
    const { registry } = opened();
    expect(await registry.head(at(host), "v1", until)).toBeUndefined();
    expect(await registry.manifest(at(host), "v1", until)).toBeUndefined();
    expect(await registry.blob(at(host), digest, { ...until, maxBytes: 100 })).toBeUndefined();
  });

  test("in a registry's storage is not nothing: the registry has it", async () => {
    trustTestServers();
    const storage = await localServer(answer(404), { tls: true });
    const { host } = await localServer(answer(307, { location: storage.url.href }));
    const { registry } = opened();
    const error = { code: "refused", message: expect.stringContaining("status 404") as string };
    await expect(registry.manifest(at(host), "v1", until)).rejects.toMatchObject(error);
    await expect(registry.blob(at(host), digest, { ...until, maxBytes: 9 })).rejects.toMatchObject(error);
  });

  test("cannot be pushed to", async () => {
    const { host } = await localServer(answer(404, {}, '{"errors":[{"code":"NAME_UNKNOWN"}]}'));
    const { registry } = opened();
    const done = registry.pushManifest(at(host), "v1", { bytes, mediaType: INDEX }, until);
    await expect(done).rejects.toMatchObject({
      code: "not-found",
      message:
        `PUT http://${host}${path}/manifests/v1: status 404: the registry has no "${host}/team/ledger:v1": ` +
        '"{"errors":[{"code":"NAME_UNKNOWN"}]}"',
    });
  });
});

describe("a registry that does not say the digest to HEAD is asked by GET", () => {
  test.for([
    { row: "without the header", head: answer(200, { "content-type": INDEX }) },
    { row: "that takes no HEAD", head: answer(405) },
  ])("$row", async ({ head }) => {
    const { host, asked } = await localServer(inTurn(head, answer(200, { "content-type": INDEX }, bytes)));
    expect(await opened().registry.head(at(host), "v1", until)).toEqual({ digest, mediaType: INDEX });
    expect(asked).toEqual([`HEAD ${path}/manifests/v1`, `GET ${path}/manifests/v1`]);
  });
});

describe("a registry that lies is found out", () => {
  const lies = (listener: RequestListener) => async () => {
    const { host } = await localServer(listener);
    return { registry: opened().registry, repository: at(host) };
  };
  const saying = (said: string, body: string | Uint8Array = bytes) =>
    lies(answer(200, { "content-type": INDEX, "docker-content-digest": said }, body));

  test("about the bytes of a digest", async () => {
    const { registry, repository } = await saying(digest, "other")();
    const error = { code: "bad-answer", message: expect.stringContaining(`are not "${digest}"`) as string };
    await expect(registry.manifest(repository, digest, until)).rejects.toMatchObject(error);
    await expect(registry.blob(repository, digest, { ...until, maxBytes: 100 })).rejects.toMatchObject(error);
  });

  test("about the digest of a tag's bytes", async () => {
    const { registry, repository } = await saying(other)();
    const error = { code: "bad-answer", message: expect.stringContaining(`are not "${other}"`) as string };
    await expect(registry.manifest(repository, "v1", until)).rejects.toMatchObject(error);
  });

  test("about the digest that was asked for", async () => {
    const { registry, repository } = await saying(other)();
    const error = { code: "bad-answer", message: expect.stringContaining("is not the one that") as string };
    await expect(registry.head(repository, digest, until)).rejects.toMatchObject(error);
  });

  test("with a digest that is none", async () => {
    const { registry, repository } = await saying("latest")();
    const error = {
      code: "bad-answer",
      message: expect.stringContaining('"latest", which is none') as string,
    };
    await expect(registry.head(repository, "v1", until)).rejects.toMatchObject(error);
    await expect(registry.manifest(repository, "v1", until)).rejects.toMatchObject(error);
  });

  test("about what it took", async () => {
    const { registry, repository } = await lies(answer(201, { "docker-content-digest": other }))();
    const done = registry.pushManifest(repository, "v1", { bytes, mediaType: INDEX }, until);
    await expect(done).rejects.toMatchObject({
      code: "bad-answer",
      message: expect.stringContaining(`was taken as "${other}", and was pushed as "${digest}"`) as string,
    });
  });

  test("about a manifest that is a web page", async () => {
    const { registry, repository } = await lies(answer(200, { "content-type": "text/html" }, "<p>"))();
    const error = { code: "bad-answer", message: expect.stringContaining('"text/html"') as string };
    await expect(registry.manifest(repository, "v1", until)).rejects.toMatchObject(error);
  });

  test.for([
    { row: "nowhere", location: undefined, text: "does not say where" },
    {
      row: "to plain http elsewhere",
      location: "http://127.0.0.2/",
      text: '"127.0.0.2", which is not asked',
    },
    { row: "to a file", location: "file:///etc/passwd", text: "is not https" },
    { row: "with a password", location: "https://me:hunter2@127.0.0.2/", text: "has credentials in it" },
  ])("by uploads that lead $row", async ({ location, text }) => {
    const begun = answer(202, location === undefined ? {} : { location });
    const { registry, repository } = await lies(inTurn(answer(404), begun))();
    const done = registry.pushBlob(repository, bytes, until);
    await expect(done).rejects.toMatchObject({ code: "bad-answer" });
    await expect(done).rejects.toThrow(text);
    await expect(done).rejects.not.toThrow("hunter2");
  });

  test("by redirects of what is pushed, which are not followed", async () => {
    const elsewhere = await localServer(answer(201));
    const { registry, repository } = await lies(answer(307, { location: elsewhere.url.href }))();
    const done = registry.pushManifest(repository, "v1", { bytes, mediaType: INDEX }, until);
    await expect(done).rejects.toMatchObject({ code: "bad-answer" });
    expect(elsewhere.asked).toEqual([]);
  });

  test("with 100 MB, of which no more is read than was asked for", async () => {
    let sent = 0;
    const chunk = Buffer.alloc(64 * 1024);
    const { registry, repository } = await lies((_, response) => {
      response.writeHead(200, { "content-type": INDEX });
      const more = () => {
        while (sent < 100_000_000 && !response.destroyed) {
          sent += chunk.length;
          if (!response.write(chunk)) return void response.once("drain", more);
        }
      };
      more();
    })();
    const error = { code: "too-large", message: expect.stringContaining("is larger than") as string };
    await expect(registry.blob(repository, digest, { ...until, maxBytes: 1000 })).rejects.toMatchObject(
      error,
    );
    await expect(registry.manifest(repository, "v1", until)).rejects.toMatchObject(error);
    expect(sent).toBeLessThan(50_000_000);
  });
});

describe("what cannot be asked for is not", () => {
  test.for([
    { row: "a registry with a path", repository: at("127.0.0.1:1/x"), name: "v1" },
    { row: "a registry with a password", repository: at("me:hunter2@127.0.0.1:1"), name: "v1" },
    {
      row: "a repository that climbs",
      repository: { registry: "127.0.0.1:1", repository: "a/../b" },
      name: "v1",
    },
    { row: "a tag with a query", repository: at("127.0.0.1:1"), name: "v1?x" },
    { row: "a digest that is too short", repository: at("127.0.0.1:1"), name: "sha256:22ef" },
  ])("$row", async ({ repository, name }) => {
    const { registry, counted } = opened();
    await expect(registry.manifest(repository, name, until)).rejects.toMatchObject({ code: "refused" });
    expect(counted).toEqual([]);
  });

  test("a manifest under the digest of another", async () => {
    const { host, asked } = await localServer(manifest);
    const done = opened().registry.pushManifest(at(host), other, { bytes, mediaType: INDEX }, until);
    await expect(done).rejects.toMatchObject({ code: "refused" });
    expect(asked).toEqual([]);
  });
});

test.for([
  { registry: "docker.io", repository: "alpine" },
  { registry: "index.docker.io", repository: "library/alpine" },
  { registry: "REGISTRY-1.docker.io:443", repository: "alpine" },
])("Docker Hub is one registry by each of its names: $registry/$repository", async (repository) => {
  const { registry } = opened({ plainHttp: () => false });
  const done = registry.head(repository, "3", { signal: AbortSignal.abort() });
  await expect(done).rejects.toMatchObject({
    code: "unreachable",
    message: "HEAD https://registry-1.docker.io/v2/library/alpine/manifests/3: no answer in time",
  });
});

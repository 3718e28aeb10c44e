// SPDX-License-Identifier: Apache-2.0
import type { RequestListener } from "node:http";
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { MAX_MANIFEST_BYTES } from "../../../src/courier/protocol.ts";
import { fetchManifest, type TagAddress } from "../../../src/courier/server/registry.ts";
import { closedPort, inTurn, json, localServer, within } from "../local-server.ts";
import { trustTestServers } from "../trusted-tls.ts";

const INDEX = "application/vnd.oci.image.index.v1+json";
const bytes = Buffer.from('{\n "schemaVersion": 2 }');
const path = "/v2/library/alpine/manifests/3.16.0";

const manifest: RequestListener = (_, response) => {
  response.writeHead(200, { "content-type": `${INDEX}; charset=utf-8` });
  response.end(bytes);
};
const answer =
  (status: number, headers: Record<string, string> = {}, body: string | Buffer = ""): RequestListener =>
  (_, response) => {
    response.writeHead(status, headers);
    response.end(body);
  };
const challenge = (realm: string, scope = ',scope="repository:library/alpine:pull"') =>
  answer(401, { "www-authenticate": `Bearer realm="${realm}",service="the registry"${scope}` });

const address = (host: string): TagAddress => ({
  registry: host,
  repository: "library/alpine",
  tag: "3.16.0",
  plainHttp: true,
});
const fetched = (host: string, more: Partial<TagAddress> = {}) =>
  fetchManifest({ ...address(host), ...more }, within(5_000));

/** A registry that hands out tokens itself, and the manifest to who has one. */
function withTokens(token: RequestListener): RequestListener {
  return (request, response) => {
    if (request.url?.startsWith("/token")) token(request, response);
    else if (request.headers.authorization === undefined) {
      challenge(`http://${request.headers.host}/token?a=b`)(request, response);
    } else manifest(request, response);
  };
}

describe("a manifest", () => {
  test("comes byte for byte, and only image manifests and indexes are asked for", async () => {
    const { host, asked, headers } = await localServer(manifest);
    expect(await fetched(host)).toEqual({ bytes, mediaType: INDEX });
    expect(asked).toEqual([`GET ${path}`]);
    expect(headers[0]?.accept?.split(", ")).toEqual([
      INDEX,
      "application/vnd.docker.distribution.manifest.list.v2+json",
      "application/vnd.oci.image.manifest.v1+json",
      "application/vnd.docker.distribution.manifest.v2+json",
    ]);
    expect(headers[0]).not.toHaveProperty("authorization");
  });

  test.for(["sha256", "sha384", "sha512"] as const)("comes by its digest, a %s", async (algorithm) => {
    const { host, asked } = await localServer(manifest);
    const digest = `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
    expect((await fetched(host, { tag: digest })).bytes).toEqual(bytes);
    expect(asked).toEqual([`GET /v2/library/alpine/manifests/${digest}`]);
  });

  test("comes with the token that the registry gives everybody", async () => {
    const { host, asked, headers } = await localServer(withTokens(json({ token: "t0ken" })));
    expect((await fetched(host)).bytes).toEqual(bytes);
    expect(asked).toEqual([
      `GET ${path}`,
      "GET /token?a=b&service=the+registry&scope=repository%3Alibrary%2Falpine%3Apull",
      `GET ${path}`,
    ]);
    expect(headers.map(({ authorization }) => authorization)).toEqual([undefined, undefined, "Bearer t0ken"]);
  });

  test("comes with a token under its other name, of a challenge without scope", async () => {
    const { host, asked } = await localServer((request, response) => {
      if (request.url?.startsWith("/token")) json({ token: "", access_token: "t0ken" })(request, response);
      else if (request.headers.authorization === "Bearer t0ken") manifest(request, response);
      else challenge(`http://${request.headers.host}/token`, "")(request, response);
    });
    expect((await fetched(host)).bytes).toEqual(bytes);
    expect(asked[1]).toContain("scope=repository%3Alibrary%2Falpine%3Apull");
  });

  test("comes over TLS unless plain http is allowed", async () => {
    trustTestServers();
    const { host } = await localServer(manifest, { tls: true });
    expect((await fetched(host, { plainHttp: false })).bytes).toEqual(bytes);
  });

  test("comes from behind three redirects", async () => {
    const { host, asked } = await localServer(
      inTurn(
        ...(([1, 2, 3] as const).map((n) => answer(307, { location: `/${n}` })) as [RequestListener]),
        manifest,
      ),
    );
    expect((await fetched(host)).bytes).toEqual(bytes);
    expect(asked).toEqual([`GET ${path}`, "GET /1", "GET /2", "GET /3"]);
  });

  test("comes from another host by TLS, which does not see the token", async () => {
    trustTestServers();
    const storage = await localServer(manifest, { tls: true });
    const { host } = await localServer((request, response) => {
      if (request.url?.startsWith("/token")) json({ token: "t0ken" })(request, response);
      else if (request.headers.authorization === undefined)
        challenge(`http://${host}/token`)(request, response);
      else answer(302, { location: `${storage.url.href}blob` })(request, response);
    });
    expect((await fetched(host)).bytes).toEqual(bytes);
    expect(storage.headers[0]).not.toHaveProperty("authorization");
  });
});

describe("no manifest", () => {
  test.for([
    {
      row: "the tag is not there",
      said: answer(404),
      code: "not-found",
      text: 'has no "HOST/library/alpine:3.16.0"',
    },
    {
      row: "it is forbidden",
      said: answer(403),
      code: "needs-credentials",
      text: "does not exist or needs credentials",
    },
    { row: "there is no challenge", said: answer(401), code: "needs-credentials", text: "status 401" },
    {
      row: "a password is wanted",
      said: answer(401, { "www-authenticate": 'Basic realm="registry"' }),
      code: "needs-credentials",
      text: "needs credentials",
    },
    {
      row: "the token is not enough",
      said: withTokens(answer(401)),
      code: "needs-credentials",
      text: "/token: status 401",
    },
    {
      row: "there are no tokens",
      said: withTokens(answer(404)),
      code: "refused",
      text: "/token: status 404",
    },
    {
      row: "the token is HTML",
      said: withTokens(answer(200, {}, "<p>secret")),
      code: "bad-answer",
      text: "has no token",
    },
    {
      row: "the token is a number",
      said: withTokens(json({ token: 7 })),
      code: "bad-answer",
      text: "has no token",
    },
    { row: "the token is null", said: withTokens(json(null)), code: "bad-answer", text: "has no token" },
    {
      row: "the token has a line feed",
      said: withTokens(json({ token: "a\nb" })),
      code: "bad-answer",
      text: "has no token",
    },
    {
      row: "the token is huge",
      said: withTokens(json({ token: "a".repeat(9000) })),
      code: "bad-answer",
      text: "has no token",
    },
    {
      row: "the registry asks for less",
      said: answer(429, { "retry-after": "9" }),
      code: "rate-limited",
      text: "too many requests from this address; try again in 9 seconds",
    },
    {
      row: "the registry fails",
      said: answer(503, {}, "down"),
      code: "unreachable",
      text: 'status 503: "down"',
    },
    { row: "it says 418", said: answer(418, {}, "pot"), code: "refused", text: 'status 418: "pot"' },
    { row: "it says 204", said: answer(204), code: "bad-answer", text: "status 204" },
    {
      row: "it is HTML",
      said: answer(200, { "content-type": "text/html" }, "<p>log in\u0007"),
      code: "bad-answer",
      text: '"text/html" is no image manifest or index; it begins "<p>log in?"',
    },
    {
      row: "it is of schema 1",
      said: answer(200, { "content-type": "application/vnd.docker.distribution.manifest.v1+prettyjws" }),
      code: "bad-answer",
      text: "is no image manifest",
    },
    {
      row: "it has no media type",
      said: answer(200, {}, bytes),
      code: "bad-answer",
      text: 'media type "" is no',
    },
    {
      row: "it is too large",
      said: answer(200, { "content-type": INDEX }, Buffer.alloc(MAX_MANIFEST_BYTES + 1)),
      code: "bad-answer",
      text: `larger than ${MAX_MANIFEST_BYTES} bytes`,
    },
    {
      row: "it redirects for ever",
      said: answer(302, { location: "/again" }),
      code: "bad-answer",
      text: "redirects more than 3 times",
    },
    {
      row: "it redirects to nothing",
      said: answer(302, { location: "http://[" }),
      code: "bad-answer",
      text: "what is no URL",
    },
    { row: "it redirects nowhere", said: answer(302), code: "bad-answer", text: "status 302" },
    {
      row: "it redirects to another host by plain http",
      said: answer(302, { location: "http://127.0.0.2/" }),
      code: "bad-answer",
      text: 'redirects to "127.0.0.2", which is not asked: it is not https',
    },
    {
      row: "it redirects to a file",
      said: answer(302, { location: "file:///etc/passwd" }),
      code: "bad-answer",
      text: "it is not https",
    },
    {
      row: "it redirects with credentials",
      said: answer(302, { location: "https://me:hunter2@127.0.0.2/" }),
      code: "bad-answer",
      text: "has credentials in it",
    },
    {
      row: "the realm is another host by plain http",
      said: challenge("http://127.0.0.2/token"),
      code: "bad-answer",
      text: 'wants a token of "127.0.0.2", which is not asked',
    },
    {
      row: "the realm is no URL",
      said: challenge("/token"),
      code: "bad-answer",
      text: "realm is no URL",
    },
  ])("when $row ($code)", async ({ said, code, text }) => {
    const { host } = await localServer(said);
    const done = fetchManifest(address(host), within(5_000));
    await expect(done).rejects.toMatchObject({ code });
    await expect(done).rejects.toThrow(text.replace("HOST", host));
    await expect(done).rejects.not.toThrow(/hunter2/);
  });

  test("when nobody listens", async () => {
    const { host } = await closedPort();
    await expect(fetchManifest(address(host), within(300))).rejects.toMatchObject({ name: "HttpError" });
  });

  test("over plain http from a registry that is asked by TLS", async () => {
    const { host, asked } = await localServer(manifest);
    const done = fetchManifest({ ...address(host), plainHttp: false }, within(1_000));
    await expect(done).rejects.toMatchObject({ name: "HttpError" });
    expect(asked).toEqual([]);
  });

  test("over plain http by a redirect from TLS", async () => {
    trustTestServers();
    const plain = await localServer(manifest);
    const { host } = await localServer(answer(302, { location: plain.url.href }), { tls: true });
    await expect(fetched(host, { plainHttp: false })).rejects.toThrow("it is not https");
    expect(plain.asked).toEqual([]);
  });

  test("and no token over plain http for a registry that is asked by TLS, be it the same host", async () => {
    trustTestServers();
    const plain = await localServer(json({ token: "t0ken" }));
    const { host } = await localServer(challenge(plain.url.href), { tls: true });
    await expect(fetched(host, { plainHttp: false })).rejects.toThrow("it is not https");
    expect(plain.asked).toEqual([]);
  });

  test.for([
    { row: "a path as registry", more: { registry: "127.0.0.1/x" } },
    { row: "credentials in the registry", more: { registry: "me:pw@127.0.0.1" } },
    { row: "an empty registry", more: { registry: "" } },
    { row: "a repository that climbs", more: { repository: "library/../../secret" } },
    { row: "a repository in capitals", more: { repository: "Library" } },
    { row: "a tag with a slash", more: { tag: "../x" } },
    { row: "a tag with a query", more: { tag: "x?y" } },
    { row: "a digest that is too short", more: { tag: "sha256:22ef1bcb" } },
    { row: "a digest of another kind", more: { tag: `md5:${"22".repeat(16)}` } },
  ])("is asked for with $row", async ({ more }) => {
    await expect(fetched("127.0.0.1:1", more)).rejects.toMatchObject({ code: "refused" });
  });
});

test("Docker Hub's name leads to its registry's host", async () => {
  const done = fetchManifest({ ...address("docker.io"), plainHttp: false }, AbortSignal.abort());
  await expect(done).rejects.toThrow(`GET https://registry-1.docker.io${path}: no answer in time`);
});

describe("a registry that says different things to different people", () => {
  const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
  const serve =
    (mediaType: string, body: string, more: Record<string, string> = {}): RequestListener =>
    (_, response) => {
      response.writeHead(200, { "content-type": mediaType, ...more });
      response.end(body);
    };

  test("by what is accepted always hears the same list of us, its own challenge included", async () => {
    const { host, headers } = await localServer((request, response) => {
      if (request.url?.startsWith("/token")) json({ token: "t0ken" })(request, response);
      else if (request.headers.authorization === undefined) {
        challenge(`http://${request.headers.host}/token`)(request, response);
      } else if (request.headers.accept?.startsWith(INDEX)) serve(INDEX, '{"index":1}')(request, response);
      else serve(MANIFEST, '{"manifest":1}')(request, response);
    });
    for (let n = 0; n < 3; n++) {
      expect(await fetched(host)).toEqual({ bytes: Buffer.from('{"index":1}'), mediaType: INDEX });
    }
    const accepted = headers.map(({ accept }) => accept).filter((accept) => accept !== "application/json");
    expect(new Set(accepted).size).toBe(1);
  });

  test("by who asks always hears the same name of us", async () => {
    const { host, headers } = await localServer((request, response) =>
      serve(MANIFEST, request.headers["user-agent"] === "tlog-dockerfile" ? "{}" : '{"other":1}')(
        request,
        response,
      ),
    );
    expect((await fetched(host)).bytes).toEqual(Buffer.from("{}"));
    expect(headers.map((each) => each["user-agent"])).toEqual(["tlog-dockerfile"]);
  });

  test("by turns is asked once, and its media type is of the same answer", async () => {
    const { host, asked } = await localServer(inTurn(serve(MANIFEST, "{}"), serve(INDEX, '{"second":1}')));
    expect(await fetched(host)).toEqual({ bytes: Buffer.from("{}"), mediaType: MANIFEST });
    expect(asked).toHaveLength(1);
  });

  test("before it gives a token is not believed then", async () => {
    const { host } = await localServer((request, response) => {
      if (request.url?.startsWith("/token")) json({ token: "t0ken" })(request, response);
      else if (request.headers.authorization === undefined) {
        response.writeHead(401, {
          "content-type": INDEX,
          "www-authenticate": `Bearer realm="http://${request.headers.host}/token"`,
        });
        response.end('{"before":1}');
      } else manifest(request, response);
    });
    expect((await fetched(host)).bytes).toEqual(bytes);
  });

  test("in its headers is read by its bytes alone", async () => {
    const digest = `sha256:${"ab".repeat(32)}`;
    const { host } = await localServer(
      serve(MANIFEST, "{}", { "docker-content-digest": digest, etag: digest }),
    );
    expect(await fetched(host)).toEqual({ bytes: Buffer.from("{}"), mediaType: MANIFEST });
  });
});

describe("a manifest of 50 MB is not read to its end", () => {
  const SIZE = 50 * 1024 * 1024;
  const CHUNK = Buffer.alloc(64 * 1024, " ");

  test.for([
    { row: "announced", headers: { "content-type": INDEX, "content-length": String(SIZE) } },
    { row: "not announced", headers: { "content-type": INDEX } },
  ])("when its size is $row", async ({ headers }) => {
    let sent = 0;
    const ended = Promise.withResolvers<void>();
    const { host, asked } = await localServer((_, response) => {
      response.writeHead(200, headers);
      response.on("close", () => ended.resolve());
      const more = () => {
        while (sent < SIZE && !response.destroyed) {
          sent += CHUNK.length;
          if (!response.write(CHUNK)) return void response.once("drain", more);
        }
        response.end();
      };
      more();
    });
    const done = fetchManifest(address(host), within(5_000));
    await expect(done).rejects.toMatchObject({ reason: "too-large", code: "bad-answer" });
    await expect(done).rejects.toThrow(`the answer is larger than ${MAX_MANIFEST_BYTES} bytes`);
    await ended.promise;
    // What fits into the buffers between is sent all the same.
    expect(sent).toBeLessThan(SIZE / 2);
    expect(asked).toHaveLength(1);
  });
});

describe("a token realm on another host", () => {
  test("is asked over TLS, for nothing but this repository, and hears of nobody's credentials", async () => {
    trustTestServers();
    const realm = await localServer(json({ token: "t0ken" }), { tls: true });
    const { host, headers } = await localServer((request, response) =>
      request.headers.authorization === "Bearer t0ken"
        ? manifest(request, response)
        : challenge(`${realm.url.href}token`)(request, response),
    );
    expect((await fetched(host)).bytes).toEqual(bytes);
    expect(realm.asked).toEqual([
      "GET /token?service=the+registry&scope=repository%3Alibrary%2Falpine%3Apull",
    ]);
    expect(realm.headers[0]).not.toHaveProperty("authorization");
    expect(realm.headers[0]).not.toHaveProperty("cookie");
    expect(headers).toHaveLength(2);
  });

  test("is not followed where it redirects to", async () => {
    trustTestServers();
    const other = await localServer(json({ token: "t0ken" }), { tls: true });
    const realm = await localServer(answer(302, { location: other.url.href }), { tls: true });
    const { host } = await localServer(challenge(`${realm.url.href}token`));
    await expect(fetched(host)).rejects.toMatchObject({ code: "bad-answer" });
    expect(other.asked).toEqual([]);
  });

  test("is asked once, when its token opens nothing and the registry asks for another", async () => {
    trustTestServers();
    const realm = await localServer(json({ token: "t0ken" }), { tls: true });
    const { host, asked } = await localServer(challenge(`${realm.url.href}token`));
    await expect(fetched(host)).rejects.toMatchObject({ code: "needs-credentials" });
    expect([asked.length, realm.asked.length]).toEqual([2, 1]);
  });

  test("of a host behind a redirect is not asked at all", async () => {
    trustTestServers();
    const realm = await localServer(json({ token: "t0ken" }), { tls: true });
    const storage = await localServer(challenge(realm.url.href), { tls: true });
    const { host } = await localServer(answer(302, { location: storage.url.href }));
    await expect(fetched(host)).rejects.toMatchObject({ code: "needs-credentials" });
    expect(realm.asked).toEqual([]);
  });
});

describe("a redirect", () => {
  test("from one place to the other and back ends with the fourth answer", async () => {
    const { host, asked } = await localServer((request, response) =>
      answer(307, { location: request.url === "/one" ? "/two" : "/one" })(request, response),
    );
    await expect(fetched(host)).rejects.toThrow("redirects more than 3 times");
    expect(asked).toEqual([`GET ${path}`, "GET /one", "GET /two", "GET /one"]);
  });
});

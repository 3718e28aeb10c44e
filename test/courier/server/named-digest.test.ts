// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import type { RequestListener } from "node:http";
import { expect, test } from "vitest";
import { fetchIfNamed } from "../../../src/courier/server/registry.ts";
import { json, localServer, within } from "../local-server.ts";

const INDEX = "application/vnd.oci.image.index.v1+json";
const BYTES = Buffer.from("{}");
const DIGEST = `sha256:${createHash("sha256").update(BYTES).digest("hex")}`;
const OTHER = `sha256:${"22".repeat(32)}`;
const MANIFESTS = "/v2/team/app/manifests";

const serving =
  (named: string | undefined): RequestListener =>
  (_, response) => {
    const digest = named === undefined ? {} : { "docker-content-digest": named };
    // The length is that of what GET would bring.
    response.writeHead(200, { "content-type": INDEX, "content-length": BYTES.length, ...digest });
    response.end(BYTES);
  };
const fetched = (host: string, digest = DIGEST) =>
  fetchIfNamed({ registry: host, repository: "team/app", tag: "1", plainHttp: true, digest }, within(5_000));

test("a tag that names the digest is asked for by HEAD, and its bytes by that digest", async () => {
  const { host, asked } = await localServer(serving(DIGEST));
  expect(await fetched(host)).toEqual({ bytes: BYTES, mediaType: INDEX });
  expect(asked).toEqual([`HEAD ${MANIFESTS}/1`, `GET ${MANIFESTS}/${DIGEST}`]);
});

test("a tag that names another digest brings that alone, and nothing is pulled", async () => {
  const { host, asked } = await localServer(serving(OTHER));
  expect(await fetched(host)).toEqual({ digest: OTHER });
  expect(asked).toEqual([`HEAD ${MANIFESTS}/1`]);
});

test.for([undefined, "", "sha256:22", "md5:00", `${DIGEST}, ${OTHER}`])(
  'of a registry that says "%s" for a digest the tag\'s bytes are asked for',
  async (named) => {
    const { host, asked } = await localServer(serving(named));
    expect(await fetched(host)).toEqual({ bytes: BYTES, mediaType: INDEX });
    expect(asked).toEqual([`HEAD ${MANIFESTS}/1`, `GET ${MANIFESTS}/1`]);
  },
);

test.for([400, 405, 501])(
  "a registry that takes no HEAD (%i) is asked for the tag's bytes",
  async (status) => {
    const { host, asked } = await localServer((request, response) => {
      if (request.method !== "HEAD") return serving(DIGEST)(request, response);
      response.writeHead(status, { "docker-content-digest": OTHER });
      response.end();
      return undefined;
    });
    expect(await fetched(host)).toEqual({ bytes: BYTES, mediaType: INDEX });
    expect(asked.at(-1)).toBe(`GET ${MANIFESTS}/1`);
  },
);

test("one token is enough for both questions", async () => {
  const { host, asked } = await localServer((request, response) => {
    if (request.url?.startsWith("/token")) json({ token: "t0ken" })(request, response);
    else if (request.headers.authorization === "Bearer t0ken") serving(DIGEST)(request, response);
    else {
      response.writeHead(401, { "www-authenticate": `Bearer realm="http://${host}/token"` });
      response.end();
    }
  });
  expect(await fetched(host)).toEqual({ bytes: BYTES, mediaType: INDEX });
  expect(asked.map((each) => each.split(" ")[0])).toEqual(["HEAD", "GET", "HEAD", "GET"]);
});

test.for([
  { header: "9", retryAfter: 9, text: "try again in 9 seconds" },
  { header: "999999999", retryAfter: 86_400, text: "try again in 86400 seconds" },
  { header: "Fri, 27 Nov 2026 23:00:00 GMT", retryAfter: undefined, text: "try again later" },
  { header: "-1", retryAfter: undefined, text: "try again later" },
])("a registry that wants fewer questions ($header) is asked once", async ({ header, retryAfter, text }) => {
  const { host, asked } = await localServer((_, response) => {
    response.writeHead(429, { "retry-after": header });
    response.end();
  });
  const done = fetched(host);
  await expect(done).rejects.toMatchObject({ code: "rate-limited", retryAfter });
  await expect(done).rejects.toThrow(text);
  expect(asked).toHaveLength(1);
});

// SPDX-License-Identifier: Apache-2.0
import type { RequestListener } from "node:http";
import { describe, expect, test } from "vitest";
import { type BlobAddress, fetchBlob, fetchManifest } from "../../../src/courier/server/registry.ts";
import { json, localServer, within } from "../local-server.ts";
import { trustTestServers } from "../trusted-tls.ts";

const DIGEST = `sha256:${"ab".repeat(32)}`;
const PATH = `/v2/team/app/blobs/${DIGEST}`;
const BYTES = Buffer.from('{"a":1}');

const answer =
  (status: number, headers: Record<string, string> = {}, body: string | Buffer = ""): RequestListener =>
  (_, response) => {
    response.writeHead(status, headers);
    response.end(body);
  };
const fetched = (host: string, more: Partial<BlobAddress> = {}) =>
  fetchBlob(
    { registry: host, repository: "team/app", digest: DIGEST, plainHttp: true, maxBytes: 100, ...more },
    within(5_000),
  );

describe("a blob", () => {
  test("comes byte for byte, whatever its media type", async () => {
    const { host, asked } = await localServer(answer(200, {}, BYTES));
    expect(await fetched(host)).toEqual(BYTES);
    expect(asked).toEqual([`GET ${PATH}`]);
  });

  test("comes with the token that the registry gives everybody, and from storage that does not see it", async () => {
    trustTestServers();
    const storage = await localServer(answer(200, {}, BYTES), { tls: true });
    const { host, headers } = await localServer((request, response) => {
      if (request.url?.startsWith("/token")) json({ token: "t0ken" })(request, response);
      else if (request.headers.authorization === undefined)
        answer(401, { "www-authenticate": `Bearer realm="http://${host}/token"` })(request, response);
      else answer(307, { location: `${storage.url.href}blob?signature=s3cret` })(request, response);
    });
    expect(await fetched(host)).toEqual(BYTES);
    expect(headers.at(-1)?.authorization).toBe("Bearer t0ken");
    expect(storage.headers[0]).not.toHaveProperty("authorization");
  });
});

describe("no blob comes", () => {
  test.for([
    {
      row: "of what is not there",
      said: answer(404),
      code: "not-found",
      text: `has no "HOST/team/app@${DIGEST}"`,
    },
    {
      row: "for who would have to log in",
      said: answer(403),
      code: "needs-credentials",
      text: "needs credentials",
    },
    { row: "when the registry refuses", said: answer(400), code: "refused", text: "status 400" },
    {
      row: "that is larger than asked for",
      said: answer(200, {}, Buffer.alloc(101)),
      code: "bad-answer",
      text: "larger than 100 bytes",
    },
    {
      row: "from storage over plain http",
      said: answer(307, { location: "http://storage.example/blob" }),
      code: "bad-answer",
      text: 'redirects to "storage.example", which is not asked: it is not https',
    },
    {
      row: "from an address with somebody's password in it",
      said: answer(307, { location: "https://user:pass@storage.example/blob" }),
      code: "bad-answer",
      text: "has credentials in it",
    },
  ])("$row", async ({ said, code, text }) => {
    const { host } = await localServer(said);
    const fetching = fetched(host);
    await expect(fetching).rejects.toMatchObject({ code });
    await expect(fetching).rejects.toThrow(text.replace("HOST", host));
    await expect(fetching).rejects.not.toThrow("pass@");
  });

  test.for([`sha256:${"AB".repeat(32)}`, `sha256:ab`, `../manifests/1`, ""])(
    'and none is asked for by "%s"',
    async (digest) => {
      const { host, asked } = await localServer(answer(200, {}, BYTES));
      await expect(fetched(host, { digest })).rejects.toMatchObject({ code: "refused" });
      expect(asked).toEqual([]);
    },
  );
});

test("a manifest comes by its digest as well, and messages name it so", async () => {
  const index = "application/vnd.oci.image.index.v1+json";
  const { host, asked } = await localServer(answer(200, { "content-type": index }, BYTES));
  const address = { registry: host, repository: "team/app", tag: DIGEST, plainHttp: true };
  expect((await fetchManifest(address, within(5_000))).bytes).toEqual(BYTES);
  expect(asked).toEqual([`GET /v2/team/app/manifests/${DIGEST}`]);
  const gone = await localServer(answer(404));
  await expect(fetchManifest({ ...address, registry: gone.host }, within(5_000))).rejects.toThrow(
    `the registry has no "${gone.host}/team/app@${DIGEST}"`,
  );
});

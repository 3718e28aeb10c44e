// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { errorIn, type Proxying, pull, startProxying } from "./proxying.ts";

let at: Proxying;
beforeEach(async () => {
  at = await startProxying();
});

const INDEX = "application/vnd.oci.image.index.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

describe("push, pull through, push again, pull fails", () => {
  test("with the words of the seed", async () => {
    const proxy = await at.proxy();
    const path = at.path("team/app/manifests/1.4.2");
    const name = `${at.registry.host}/team/app:1.4.2`;

    const first = at.registry.image("team/app", "1.4.2", "one");
    const pulled = await pull(proxy, path);
    expect(pulled.status).toBe(200);
    expect(sha256(pulled.body)).toBe(first);
    expect(pulled.headers).toMatchObject({
      "content-type": MANIFEST,
      "docker-content-digest": first,
      "tlog-verdict": "first-seen",
      "tlog-first-seen": "true",
      "tlog-integratedtime": expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      "tlog-logindex": "1000",
      "tlog-uuid": expect.stringMatching(/^[0-9a-f]{64,80}$/),
    });

    const second = at.registry.image("team/app", "1.4.2", "two");
    const other = await at.proxy();
    const refused = await pull(other, path);
    const message = `tag "${name}" mismatch; got "${second}", want "${first}"`;
    expect(refused.status).toBe(400);
    expect(errorIn(refused)).toMatchObject({ code: "TAG_INVALID", message });
    expect(errorIn(refused).detail).toMatchObject({ verdict: "moved" });
    // Clients that ask by HEAD first show the status line, and nothing else.
    const head = await pull(other, path, { method: "HEAD" });
    expect(head).toMatchObject({ status: 400, reason: `tag invalid: ${message}` });
    expect(head.body).toHaveLength(0);
    // It says which record stands.
    expect(refused.headers).toMatchObject({ "tlog-verdict": "moved", "tlog-logindex": "1000" });
    // By digest both are there.
    for (const digest of [first, second])
      expect((await pull(other, at.path(`team/app/manifests/${digest}`))).status).toBe(200);
  });
});

describe("a tag that moved", () => {
  const moved = async (action: string) => {
    const policy = at.policy().replace("private: true }]", `private: true, action: ${action} }]`);
    const first = at.registry.image("team/app", "1.4.2", "one");
    await pull(await at.proxy({ policy }), at.path("team/app/manifests/1.4.2"));
    const second = at.registry.image("team/app", "1.4.2", "two");
    const proxy = await at.proxy({ policy });
    return { first, second, proxy, pulled: await pull(proxy, at.path("team/app/manifests/1.4.2")) };
  };

  test("and is pinned is served as recorded, with a warning", async () => {
    const { first, pulled } = await moved("pin");
    expect(pulled).toMatchObject({ status: 200 });
    expect(sha256(pulled.body)).toBe(first);
    expect(pulled.headers).toMatchObject({
      "docker-content-digest": first,
      "tlog-verdict": "pinned",
      warning: expect.stringMatching(
        /^299 - "TagPinned: tag '.*' is built as recorded on .*, and has moved since"$/,
      ),
    });
  });

  test("and is pinned to an image that is gone is refused", async () => {
    const policy = at.policy().replace("private: true }]", "private: true, action: pin }]");
    const first = at.registry.image("team/app", "1.4.2", "one");
    await pull(await at.proxy({ policy }), at.path("team/app/manifests/1.4.2"));
    const second = at.registry.image("team/app", "1.4.2", "two");
    at.registry.manifests.delete(first);
    const pulled = await pull(await at.proxy({ policy }), at.path("team/app/manifests/1.4.2"));
    expect(errorIn(pulled).message).toContain(`mismatch; got "${second}", want "${first}"`);
  });

  test("and is followed is served, and the change recorded", async () => {
    const { second, pulled } = await moved("follow");
    expect(sha256(pulled.body)).toBe(second);
    expect(pulled.headers).toMatchObject({ "tlog-verdict": "moved", "tlog-logindex": "1001" });
    expect(at.sigstore.log.size).toBe(2);
  });

  test("and is warned about is served with a warning", async () => {
    const { second, pulled } = await moved("warn");
    expect(sha256(pulled.body)).toBe(second);
    expect(pulled.headers["warning"]).toContain("MovedWarned");
    expect(pulled.headers["tlog-logindex"]).toBeUndefined();
  });

  test("and is ignored is served, and no log is asked", async () => {
    const { second, pulled } = await moved("ignore");
    expect(sha256(pulled.body)).toBe(second);
    expect(at.sigstore.requests).toEqual([]);
  });
});

describe("a tag", () => {
  test("is recorded by nobody where nobody signs, and served all the same, as in builds", async () => {
    at.registry.image("team/app", "1.4.2", "one");
    const pulled = await pull(await at.proxy({ signs: false }), at.path("team/app/manifests/1.4.2"));
    expect(pulled).toMatchObject({ status: 200, headers: { "tlog-verdict": "unrecorded" } });
    expect(pulled.headers["tlog-logindex"]).toBeUndefined();
    expect(at.sigstore.log.size).toBe(0);
  });

  test("without a record is refused where the policy wants one", async () => {
    at.registry.image("team/app", "1.4.2", "one");
    const policy = at.policy("default: { unseen: block }");
    const pulled = await pull(await at.proxy({ policy }), at.path("team/app/manifests/1.4.2"));
    expect(pulled.status).toBe(400);
    expect(errorIn(pulled)).toMatchObject({
      code: "TAG_INVALID",
      message: expect.stringMatching(/NOT RECORDED: sha256:/),
    });
  });

  test("that the registry does not have is not there", async () => {
    const pulled = await pull(await at.proxy(), at.path("team/app/manifests/none"));
    expect(pulled.status).toBe(404);
    expect(errorIn(pulled).code).toBe("MANIFEST_UNKNOWN");
  });

  test("has a bundle that proves its record, which the proxy serves", async () => {
    at.registry.image("team/app", "1.4.2", "one");
    const pulled = await pull(await at.proxy(), at.path("team/app/manifests/1.4.2"));
    const [, link = ""] = /^<([^>]+)>; rel="describedby"/.exec(pulled.headers["link"] ?? "") ?? [];
    // Another one serves it as well: none keeps anything.
    const bundle = await pull(await at.proxy(), link);
    expect(bundle.headers["content-type"]).toBe("application/vnd.dev.sigstore.bundle.v0.3+json");
    const { dsseEnvelope } = JSON.parse(bundle.body.toString("utf8")) as {
      dsseEnvelope: { payload: string };
    };
    expect(Buffer.from(dsseEnvelope.payload, "base64").toString("utf8")).toContain(
      `"${at.registry.host}/team/app:1.4.2"`,
    );
    expect((await pull(await at.proxy(), `/tlog/bundles/${at.registry.host}/team/app/none`)).status).toBe(
      404,
    );
  });
});

describe("each client gets what it takes", () => {
  const index = () => {
    const child = at.registry.image("team/app", "child", "one");
    const manifests = [
      { mediaType: MANIFEST, digest: child, size: 1, platform: { os: "linux", architecture: "amd64" } },
    ];
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }));
    const digest = sha256(bytes);
    at.registry.manifests.set(digest, { bytes, mediaType: INDEX });
    at.registry.tags.get("team/app")?.set("1.4.2", digest);
    return { digest, child };
  };

  test.for([
    { accept: undefined, status: 200 },
    { accept: "*/*", status: 200 },
    { accept: `${MANIFEST}, ${INDEX};q=0.5`, status: 200 },
    { accept: "application/*", status: 200 },
    { accept: MANIFEST, status: 404 },
    { accept: `${INDEX};q=0, ${MANIFEST}`, status: 404 },
  ])("an index with Accept $accept: $status", async ({ accept, status }) => {
    const { digest } = index();
    const path = at.path("team/app/manifests/1.4.2");
    const pulled = await pull(await at.proxy(), path, accept === undefined ? {} : { headers: { accept } });
    expect(pulled.status).toBe(status);
    if (status === 200) expect(sha256(pulled.body)).toBe(digest);
    else expect(errorIn(pulled)).toMatchObject({ code: "MANIFEST_UNKNOWN" });
  });

  test("and the digest that is judged does not depend on it", async () => {
    const { digest, child } = index();
    const proxy = await at.proxy();
    await pull(proxy, at.path("team/app/manifests/1.4.2"), { headers: { accept: MANIFEST } });
    expect(proxy.log.filter(({ event }) => event === "judged")).toMatchObject([{ digest }]);
    expect((await pull(proxy, at.path(`team/app/manifests/${child}`))).status).toBe(200);
  });
});

test("/v2/ says which API it is, and what is no pull is refused", async () => {
  const proxy = await at.proxy();
  expect(await pull(proxy, "/v2/")).toMatchObject({
    status: 200,
    headers: { "docker-distribution-api-version": "registry/2.0" },
  });
  for (const method of ["PUT", "POST", "DELETE", "PATCH"]) {
    const refused = await pull(proxy, at.path("team/app/manifests/1.4.2"), { method });
    expect(refused.status).toBe(405);
    expect(errorIn(refused).code).toBe("UNSUPPORTED");
  }
  expect((await pull(proxy, "/v2/_catalog")).status).toBe(404);
  expect(at.registry.requests).toEqual([]);
});

test("as a mirror it takes the registry from ns=", async () => {
  const digest = at.registry.image("team/app", "1.4.2", "one");
  const pulled = await pull(await at.proxy(), `/v2/team/app/manifests/1.4.2?ns=${at.registry.host}`);
  expect(pulled.headers["docker-content-digest"]).toBe(digest);
});

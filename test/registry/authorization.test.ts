// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, RequestListener } from "node:http";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import type { Credential } from "../../src/registry/credentials.ts";
import { json, localServer, within } from "../courier/local-server.ts";
import { trustTestServers } from "../courier/trusted-tls.ts";
import { fakeRegistry } from "./fake-registry.ts";
import { answer, opened } from "./opened.ts";

const INDEX = "application/vnd.oci.image.index.v1+json";
const bytes = Buffer.from('{\n "schemaVersion": 2 }');
const digest = sha256(bytes);
const until = { signal: within(10_000) };
const at = (registry: string, repository = "team/ledger") => ({ registry, repository });
const password: Credential = { kind: "password", username: "me", password: "hunter2" };
const BASIC = `Basic ${Buffer.from("me:hunter2").toString("base64")}`;
const manifest = answer(200, { "content-type": INDEX, "docker-content-digest": digest }, bytes);

/** A registry with a token service at /token, which asks for a token whatever it is asked; `allows` says which ones are good. */
function withTokens(
  token: RequestListener,
  {
    allows = (authorization: string | undefined) => authorization?.startsWith("Bearer ") === true,
    scope = "repository:team/ledger:pull",
    thing = manifest,
  } = {},
): RequestListener {
  return (request, response) => {
    if (request.url?.startsWith("/token")) token(request, response);
    else if (allows(request.headers.authorization)) thing(request, response);
    else {
      const realm = `http://${request.headers.host}/token?a=b`;
      const challenge = `Bearer realm="${realm}",service="the registry"${scope && `,scope="${scope}"`}`;
      answer(401, { "www-authenticate": challenge })(request, response);
    }
  };
}

/** Token t1, t2 and so on, good for so many seconds. */
function numberedTokens(seconds?: number): RequestListener {
  let made = 0;
  return (request, response) =>
    json({ token: `t${++made}`, ...(seconds && { expires_in: seconds }) })(request, response);
}

const queryOf = (asked: string | undefined) => new URL(`http://host${asked?.split(" ")[1]}`).searchParams;
const body = async (request: IncomingMessage) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

describe("a registry with tokens", () => {
  test("is read without credentials when there are none", async () => {
    const { host, asked, headers } = await localServer(withTokens(json({ token: "t0ken" })));
    expect(await opened().registry.head(at(host), "v1", until)).toEqual({ digest, mediaType: INDEX });
    expect(asked).toEqual([
      "HEAD /v2/team/ledger/manifests/v1",
      "GET /token?a=b&service=the+registry&scope=repository%3Ateam%2Fledger%3Apull",
      "HEAD /v2/team/ledger/manifests/v1",
    ]);
    expect(headers.map(({ authorization }) => authorization)).toEqual([undefined, undefined, "Bearer t0ken"]);
  });

  test("gets name and password where it gives its tokens, and nowhere else", async () => {
    const { host, headers } = await localServer(withTokens(json({ access_token: "t0ken" })));
    await opened({ credential: password }).registry.head(at(host), "v1", until);
    expect(headers.map(({ authorization }) => authorization)).toEqual([undefined, BASIC, "Bearer t0ken"]);
  });

  test("gets an identity token as OAuth2 says, in the body", async () => {
    const forms: string[] = [];
    const { host, asked, headers } = await localServer(
      withTokens((request, response) => {
        void body(request).then((form) => {
          forms.push(form);
          json({ access_token: "t0ken" })(request, response);
        });
      }),
    );
    await opened({ credential: { kind: "identity-token", token: "refresh+me" } }).registry.head(
      at(host),
      "v1",
      until,
    );
    expect(asked[1]).toBe("POST /token?a=b");
    expect(headers[1]).not.toHaveProperty("authorization");
    expect(headers[1]).toMatchObject({ "content-type": "application/x-www-form-urlencoded" });
    expect(Object.fromEntries(new URLSearchParams(forms[0]))).toEqual({
      grant_type: "refresh_token",
      client_id: "tlog-dockerfile",
      service: "the registry",
      scope: "repository:team/ledger:pull",
      refresh_token: "refresh+me",
    });
  });

  test("is asked for one that pushes when something is pushed", async () => {
    const { host, asked } = await localServer(withTokens(numberedTokens(), { thing: fakeRegistry().answer }));
    const { registry } = opened({ credential: password });
    await registry.pushBlob(at(host), bytes, until);
    await registry.pushManifest(at(host), "v1", { bytes, mediaType: INDEX }, until);
    const tokens = asked.filter((each) => each.includes("/token"));
    expect(tokens.map((each) => queryOf(each).getAll("scope"))).toEqual([
      ["repository:team/ledger:pull,push"],
    ]);
  });

  test.for([
    { scope: "aws", wanted: ["repository:team/ledger:pull", "aws"] },
    {
      scope: "repository:mirror/team/ledger:pull",
      wanted: ["repository:team/ledger:pull", "repository:mirror/team/ledger:pull"],
    },
    { scope: "", wanted: ["repository:team/ledger:pull"] },
    { scope: "a b c d e f", wanted: ["repository:team/ledger:pull", "a", "b", "c"] },
  ])('is asked for what its challenge names as well ("$scope")', async ({ scope, wanted }) => {
    const { host, asked } = await localServer(withTokens(json({ token: "t" }), { scope }));
    await opened().registry.head(at(host), "v1", until);
    expect(queryOf(asked[1]).getAll("scope")).toEqual(wanted);
  });

  test("is asked with one token until that expires", async () => {
    const { host, headers } = await localServer(withTokens(numberedTokens(300)));
    const { registry, pass } = opened();
    const used = async () => {
      await registry.head(at(host), "v1", until);
      return headers.at(-1)?.authorization;
    };
    expect(await used()).toBe("Bearer t1");
    pass(280_000);
    expect(await used()).toBe("Bearer t1");
    pass(20_000);
    expect(await used()).toBe("Bearer t2");
  });

  test.for([undefined, 0, -5])("takes a token for a minute's when it says %s", async (seconds) => {
    const { host, headers } = await localServer(withTokens(numberedTokens(seconds)));
    const { registry, pass } = opened();
    await registry.head(at(host), "v1", until);
    pass(49_000);
    await registry.head(at(host), "v1", until);
    expect(headers.at(-1)?.authorization).toBe("Bearer t1");
    pass(2_000);
    await registry.head(at(host), "v1", until);
    expect(headers.at(-1)?.authorization).toBe("Bearer t2");
  });

  test("is asked with another token for another repository", async () => {
    const { host, headers } = await localServer(withTokens(numberedTokens(300)));
    const { registry } = opened();
    await registry.head(at(host), "v1", until);
    await registry.head(at(host, "team/other"), "v1", until);
    await registry.head(at(host), "v1", until);
    expect(headers.map(({ authorization }) => authorization).filter(Boolean)).toEqual([
      "Bearer t1",
      "Bearer t2",
      "Bearer t1",
    ]);
  });

  test("is asked for no more tokens than there are calls at once", async () => {
    const { host, asked } = await localServer(withTokens(numberedTokens(300)));
    const { registry } = opened({ concurrency: 2 });
    await Promise.all(Array.from({ length: 20 }, (_, i) => registry.head(at(host), `v${i}`, until)));
    expect(asked.filter((each) => each.includes("/token")).length).toBeLessThan(3);
    expect(asked.length).toBeLessThan(20 + 2 * 2 + 1);
  });

  test("is asked again with a new one when it takes back a token", async () => {
    let good = "Bearer t1";
    const allows = (authorization: string | undefined) => authorization === good;
    const { host, headers } = await localServer(withTokens(numberedTokens(300), { allows }));
    const { registry } = opened();
    await registry.head(at(host), "v1", until);
    good = "Bearer t2";
    expect(await registry.head(at(host), "v1", until)).toMatchObject({ digest });
    expect(headers.at(-1)?.authorization).toBe("Bearer t2");
  });
});

describe("a registry with a password", () => {
  const basic: RequestListener = (request, response) =>
    (request.headers.authorization === BASIC
      ? manifest
      : answer(401, { "www-authenticate": 'Basic realm="registry"' }))(request, response);

  test("gets it when it asks, and from then on", async () => {
    const { host, headers } = await localServer(basic);
    const { registry } = opened({ credential: password });
    await registry.head(at(host), "v1", until);
    await registry.head(at(host), "v2", until);
    expect(headers.map(({ authorization }) => authorization)).toEqual([undefined, BASIC, BASIC]);
  });

  test("is not asked twice with a wrong one", async () => {
    const { host, asked } = await localServer(basic);
    const { registry } = opened({ credential: { ...password, password: "wrong" } });
    for (let i = 1; i <= 2; i++)
      await expect(registry.head(at(host), "v1", until)).rejects.toMatchObject({ code: "needs-credentials" });
    // The second time it is asked with what it refused; the password may have been changed back.
    expect(asked).toHaveLength(3);
  });
});

describe("credentials that are wanted", () => {
  test.for<{ row: string; said: RequestListener; credential?: Credential; text: string }>([
    {
      row: "and are not there",
      said: answer(401, { "www-authenticate": 'Basic realm="r"' }),
      text: 'or needs credentials; log in to "HOST"',
    },
    { row: "and not how", said: answer(401), credential: password, text: "status 401" },
    {
      row: "and are not there for a token",
      said: withTokens(answer(401)),
      text: 'there are no credentials for "HOST"',
    },
    {
      row: "and give no token",
      said: withTokens(answer(403)),
      credential: password,
      text: 'the credentials for "HOST" give no token for "repository:team/ledger:pull"; log in to it again',
    },
    {
      row: "and give a token that is not enough",
      said: withTokens(json({ token: "t" }), { allows: () => false }),
      credential: password,
      text: 'the credentials for "HOST" do not allow it',
    },
    {
      row: "and do not allow it",
      said: withTokens(json({ token: "t" }), { thing: answer(403, {}, '{"errors":[{"code":"DENIED"}]}') }),
      credential: password,
      text: 'do not allow it: "{"errors":[{"code":"DENIED"}]}"',
    },
    {
      row: "as a password where there is a token",
      said: answer(401, { "www-authenticate": 'Basic realm="r"' }),
      credential: { kind: "identity-token", token: "x" },
      text: "status 401",
    },
  ])("$row", async ({ said, text, ...more }) => {
    const { host } = await localServer(said);
    const done = opened(more).registry.manifest(at(host), "v1", until);
    await expect(done).rejects.toMatchObject({ code: "needs-credentials" });
    await expect(done).rejects.toThrow(text.replace("HOST", host));
    await expect(done).rejects.not.toThrow(/hunter2/);
  });
});

describe("no token is asked for", () => {
  const challenge = (realm: string) => answer(401, { "www-authenticate": `Bearer realm="${realm}"` });

  test.for([
    { row: "of another host by plain http", realm: "http://127.0.0.2/token", text: "it is not https" },
    { row: "of what is no URL", realm: "/token", text: "is no URL" },
    { row: "with somebody's password", realm: "https://me:pw@127.0.0.2/", text: "has credentials in it" },
  ])("$row", async ({ realm, text }) => {
    const { host, asked } = await localServer(challenge(realm));
    const done = opened({ credential: password }).registry.head(at(host), "v1", until);
    await expect(done).rejects.toMatchObject({ code: "bad-answer" });
    await expect(done).rejects.toThrow(text);
    expect(asked).toHaveLength(1);
  });

  test("by plain http for a registry that is asked by TLS, be it the same host", async () => {
    trustTestServers();
    const plain = await localServer(json({ token: "t" }));
    const { host } = await localServer(challenge(plain.url.href), { tls: true });
    const { registry } = opened({ credential: password, plainHttp: () => false });
    await expect(registry.head(at(host), "v1", until)).rejects.toThrow("it is not https");
    expect(plain.asked).toEqual([]);
  });

  test("for another host to which the registry led", async () => {
    trustTestServers();
    const storage = await localServer(challenge("https://127.0.0.1:1/token"), { tls: true });
    const { host, asked } = await localServer(answer(307, { location: storage.url.href }));
    const done = opened({ credential: password }).registry.manifest(at(host), "v1", until);
    await expect(done).rejects.toMatchObject({ code: "refused" });
    expect(asked).toHaveLength(1);
  });

  test("that is none", async () => {
    const { host } = await localServer(withTokens(answer(200, {}, '{"token":"a\\nsecret"}')));
    const done = opened().registry.head(at(host), "v1", until);
    await expect(done).rejects.toMatchObject({ code: "bad-answer" });
    await expect(done).rejects.not.toThrow("secret");
  });

  test("larger than any", async () => {
    const { host } = await localServer(withTokens(json({ token: "t", more: "x".repeat(100_000) })));
    await expect(opened().registry.head(at(host), "v1", until)).rejects.toMatchObject({ code: "too-large" });
  });
});

test("a registry that repeats what it was asked with is not quoted", async () => {
  const echo: RequestListener = (request, response) => {
    const said = request.headers.authorization ?? "";
    if (said === "") answer(401, { "www-authenticate": 'Basic realm="r"' })(request, response);
    else if (request.url?.includes("decoded"))
      answer(400, {}, Buffer.from(said.slice(6), "base64"))(request, response);
    else answer(400, {}, `you said ${said}`)(request, response);
  };
  const { host } = await localServer(echo);
  const { registry } = opened({ credential: password });
  for (const tag of ["v1", "decoded"]) {
    const message = `GET http://${host}/v2/team/ledger/manifests/${tag}: status 400: the registry refuses "${host}/team/ledger:${tag}"`;
    await expect(registry.manifest(at(host), tag, until)).rejects.toMatchObject({ code: "refused", message });
  }
});

// SPDX-License-Identifier: Apache-2.0
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { errorIn, type Proxying, pull, startProxying } from "./proxying.ts";

let at: Proxying;
let path: string;
beforeEach(async () => {
  at = await startProxying();
  path = at.path("team/app/manifests/1.4.2");
});

const SEARCH = { path: "/api/v1/index/retrieve", times: 1 };

describe("two proxies agree", () => {
  test("when both see a tag first in the same moment", async () => {
    const digest = at.registry.image("team/app", "1.4.2", "one");
    const [one, other] = [await at.proxy(), await at.proxy()];
    const both = await Promise.all([pull(one, path), pull(other, path)]);
    for (const { status, headers } of both)
      expect({ status, digest: headers["docker-content-digest"] }).toEqual({ status: 200, digest });
    const third = await pull(await at.proxy({ signs: false, policy: trusting() }), path);
    expect(third.headers["tlog-verdict"]).toBe("unchanged");
  });

  test("when the tag moves while the first one looks: it looks again", async () => {
    const [one, other] = [await at.proxy(), await at.proxy()];
    at.registry.image("team/app", "1.4.2", "one");
    at.sigstore.misbehave({ ...SEARCH, fault: { kind: "delay", ms: 1_000 } });
    const slow = pull(one, path);
    while (!at.sigstore.requests.some((each) => each.endsWith(SEARCH.path)))
      await new Promise((resolve) => setTimeout(resolve, 5));
    const second = at.registry.image("team/app", "1.4.2", "two");
    const fast = await pull(other, path);
    expect(fast.headers).toMatchObject({ "tlog-verdict": "first-seen", "docker-content-digest": second });
    expect((await slow).headers).toMatchObject({
      "tlog-verdict": "unchanged",
      "docker-content-digest": second,
    });
  });

  test("when both record, each another image: the log's order decides for both", async () => {
    const [one, other] = [await at.proxy(), await at.proxy()];
    const first = at.registry.image("team/app", "1.4.2", "one");
    at.sigstore.misbehave({ ...SEARCH, fault: { kind: "delay", ms: 1_500 } });
    const slow = pull(one, path);
    while (!at.sigstore.requests.some((each) => each.endsWith(SEARCH.path)))
      await new Promise((resolve) => setTimeout(resolve, 5));
    const second = at.registry.image("team/app", "1.4.2", "two");
    const fast = await pull(other, path);
    expect(fast.headers).toMatchObject({ "tlog-verdict": "first-seen", "docker-content-digest": second });
    at.registry.image("team/app", "1.4.2", "one");
    const refused = await slow;
    expect(refused.status).toBe(400);
    expect(errorIn(refused).message).toContain(`mismatch; got "${first}", want "${second}"`);
    expect(at.sigstore.log.size).toBe(2);
  });

  test("while one of them remembers: what it serves is what the record says", async () => {
    const first = at.registry.image("team/app", "1.4.2", "one");
    const [one, other] = [await at.proxy(), await at.proxy()];
    await pull(one, path);
    const second = at.registry.image("team/app", "1.4.2", "two");
    const requests = at.registry.requests.length;
    expect((await pull(one, path)).headers).toMatchObject({
      "docker-content-digest": first,
      "tlog-verdict": "unchanged",
      "tlog-first-seen": "false",
    });
    expect(at.registry.requests.length).toBe(requests);
    expect(errorIn(await pull(other, path)).message).toContain(`got "${second}", want "${first}"`);
  });

  test("and what has no record is not remembered", async () => {
    at.registry.image("team/app", "1.4.2", "one");
    const proxy = await at.proxy({ signs: false });
    await pull(proxy, path);
    const second = at.registry.image("team/app", "1.4.2", "two");
    expect((await pull(proxy, path)).headers["docker-content-digest"]).toBe(second);
  });
});

describe("nothing wrong is served while something is down, and all is well when it is back", () => {
  test("the log", async () => {
    const digest = at.registry.image("team/app", "1.4.2", "one");
    const proxy = await at.proxy();
    const back = at.sigstore.misbehave({ fault: { kind: "answer", status: 503, body: "" } });
    const refused = await pull(proxy, path);
    expect(refused.status).toBe(503);
    expect(errorIn(refused)).toMatchObject({ code: "UNAVAILABLE", detail: { verdict: "unknown" } });
    expect(refused.reason).toMatch(/^unavailable: .* UNKNOWN: sha256:/);
    back();
    expect((await pull(proxy, path)).headers).toMatchObject({
      "tlog-verdict": "first-seen",
      "docker-content-digest": digest,
    });
  });

  test("the log, after a tag was seen: only for as long as it is remembered", async () => {
    at.registry.image("team/app", "1.4.2", "one");
    let ahead = 0;
    const proxy = await at.proxy({ ahead: () => ahead });
    await pull(proxy, path);
    at.sigstore.misbehave({ fault: { kind: "drop" } });
    expect((await pull(proxy, path)).status).toBe(200);
    ahead = 31_000;
    expect((await pull(proxy, path)).status).toBe(503);
  });

  test("the registry", async () => {
    const digest = at.registry.image("team/app", "1.4.2", "one");
    const proxy = await at.proxy();
    at.registry.fault = (_, response) => {
      response.writeHead(403).end();
      return true;
    };
    expect(errorIn(await pull(proxy, path)).code).toBe("DENIED");
    at.registry.fault = (_, response) => {
      response.writeHead(429, { "retry-after": "3600" }).end();
      return true;
    };
    const limited = await pull(proxy, path);
    expect(limited).toMatchObject({ status: 429, headers: { "retry-after": "3600" } });
    at.registry.fault = () => false;
    // It keeps to what the registry asked for; another one has not asked yet.
    expect((await pull(proxy, path)).status).toBe(429);
    expect((await pull(await at.proxy(), path)).headers["docker-content-digest"]).toBe(digest);
  });

  test("the ledger", async () => {
    at.registry.image("team/app", "1.4.2", "one");
    await at.run();
    const proxy = await at.proxy({ signs: false, environment: ledgers() });
    at.registry.fault = ({ url }, response) => {
      if (!url?.includes("/team/ledger/")) return false;
      response.writeHead(401).end();
      return true;
    };
    const refused = await pull(proxy, path);
    expect(refused.status).toBe(503);
    expect(errorIn(refused).message).toContain("team/ledger");
    at.registry.fault = () => false;
    expect((await pull(proxy, path)).headers["tlog-verdict"]).toBe("unchanged");
    const second = at.registry.image("team/app", "1.4.2", "two");
    const other = await at.proxy({ signs: false, environment: ledgers() });
    expect(errorIn(await pull(other, path)).message).toContain(`got "${second}"`);
  });
});

function publicKey(): string {
  const key = createPublicKey(readFileSync(join(at.directory, "observer.pem")));
  return key.export({ type: "spki", format: "pem" }).toString();
}

function trusting(): string {
  return at.policy(`trust: [{ key: ${JSON.stringify(publicKey())} }]`);
}

function ledgers(): Readonly<Record<string, string>> {
  const ledger = { repository: `${at.registry.host}/team/ledger`, observer: { key: publicKey() } };
  return { TLOG_LEDGERS: JSON.stringify([ledger]) };
}

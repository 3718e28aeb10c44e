// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { connect } from "node:net";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { main } from "../../src/main.ts";
import { type Proxying, pull, startProxying } from "./proxying.ts";

let at: Proxying;
beforeEach(async () => {
  at = await startProxying();
});

test("it says that it lives and that it is ready", async () => {
  const proxy = await at.proxy();
  for (const path of ["/healthz", "/readyz"]) expect((await pull(proxy, path)).status).toBe(200);
});

test("its log is JSON, a line for each tag that is judged and each request", async () => {
  const digest = at.registry.image("team/app", "1.4.2", "one");
  const proxy = await at.proxy();
  await pull(proxy, at.path("team/app/manifests/1.4.2"));
  const image = `${at.registry.host}/team/app:1.4.2`;
  expect(proxy.log).toMatchObject([
    { level: "info", event: "listening", signer: expect.stringMatching(/^key sha256:/) },
    { level: "info", event: "judged", image, digest, verdict: "first-seen", outcome: "pass" },
    { level: "info", event: "request", client: "127.0.0.1", method: "GET", status: 200, complete: true },
  ]);
  for (const { time } of proxy.log) expect(time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

test("its figures are on another address, where Prometheus finds them, and name no image", async () => {
  at.registry.image("team/app", "1.4.2", "one");
  const proxy = await at.proxy({ args: ["--metrics-listen", "127.0.0.1:0"] });
  await pull(proxy, at.path("team/app/manifests/1.4.2"));
  const address = String(proxy.log[0]?.["metrics"]);
  const { body } = await pull({ port: Number(address.split(":").at(-1)) }, "/metrics");
  const figures = body.toString("utf8");
  expect(figures).toContain('tlog_proxy_requests_total{kind="tag",status="200"} 1');
  expect(figures).toContain('tlog_proxy_judgements_total{verdict="first-seen",outcome="pass"} 1');
  expect(figures).toContain("process_resident_memory_bytes");
  expect(figures).not.toContain("team/app");
  expect((await pull(proxy, "/metrics")).status).toBe(404);
});

describe("when it is to end", () => {
  test("what is under way is finished, and nobody new is let in", async () => {
    const digest = at.registry.image("team/app", "1.4.2", "one");
    const proxy = await at.proxy();
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    at.sigstore.misbehave({ times: 1, fault: { kind: "delay", ms: 500 } });
    at.registry.fault = () => {
      resolve();
      return false;
    };
    const pulling = pull(proxy, at.path("team/app/manifests/1.4.2"));
    await asked;
    const stopped = proxy.stop();
    expect(await pulling).toMatchObject({
      status: 200,
      headers: { "docker-content-digest": digest, connection: "close" },
    });
    expect(await stopped).toBe(0);
    const socket = connect({ port: proxy.port, host: "127.0.0.1" });
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNREFUSED");
  });
});

test("where nobody's records count it says so when it starts", async () => {
  const proxy = await at.proxy({ signs: false });
  expect(proxy.log).toContainEqual(expect.objectContaining({ level: "warn", event: "unprotected" }));
});

describe("what cannot be used is told at once, with exit status 2", () => {
  test.for([
    { args: ["--listen", "nowhere"], why: /"--listen": "nowhere" is not an address and a port/ },
    { args: ["--policy", "missing.yaml"], why: /missing\.yaml/ },
    { args: ["--policy", "wrong.yaml"], why: /wrong\.yaml:1: / },
    { args: ["--key", "missing.pem"], why: /cannot sign: .*missing\.pem/ },
    { args: ["--key", "a", "--github"], why: /give one of "--key", "--token" and "--github"/ },
    { args: ["--password", "a"], why: /"--password" is that of a "--key"/ },
    { args: ["--remember", "1h"], why: /"--remember": "1h" is not a duration from "0s" to "5m"/ },
    { args: ["alpine"], why: /"alpine" is not an option/ },
  ])("$args", async ({ args, why }) => {
    writeFileSync(join(at.directory, "wrong.yaml"), "nothing: 1\n");
    let err = "";
    const status = await main(["serve", ...args], {
      stdout: { write: () => undefined },
      stderr: { write: (text) => void (err += text) },
      environment: {},
      directory: at.directory,
      shipped: new URL("../../dist", import.meta.url).pathname,
      now: () => new Date(),
      clock: () => performance.now(),
      pause: async () => undefined,
      signal: AbortSignal.abort(),
    });
    expect(err).toMatch(why);
    expect(status).toBe(2);
  });
});

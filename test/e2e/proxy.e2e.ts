// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Sigstore, startSigstore } from "../sigstore/sigstore.ts";
import { run } from "./lab/command.ts";
import { type EngineName, type Lab, startLab } from "./lab/lab.ts";
import { secondRegistryProgram } from "./lab/second-registry.ts";

const TIMEOUT = { timeoutMs: 120_000 };

let lab: Lab;
let directory: string;
let sigstore: Sigstore;
/** The lab's registry once more, on a port that names need not have: they may have none behind a prefix. */
let portless: Server;
let proxies: ChildProcess[] = [];
let host: string;

beforeAll(async () => {
  lab = await startLab();
  directory = await mkdtemp(join(tmpdir(), "proxy-"));
  sigstore = await startSigstore({ out: join(directory, "sigstore") });
  const { hostname, port } = lab.registry;
  portless = createServer((socket) => {
    const other = connect(port, hostname);
    socket.pipe(other).pipe(socket);
    for (const each of [socket, other])
      each.on("error", () => [socket, other].forEach((one) => one.destroy()));
  });
  portless.listen(80, hostname);
  await once(portless, "listening");
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  await writeFile(join(directory, "key.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
  await writeFile(
    join(directory, "policy.yaml"),
    [
      "version: 1",
      `logs: [{ url: "${sigstore.url}", api: 1 }]`,
      `registries: [{ host: "${hostname}", plain-http: true }]`,
      `rules: [{ match: "${hostname}/**", private: true, action: block }]`,
      "",
    ].join("\n"),
  );
  host = await startProxy();
});
afterAll(async () => {
  for (const proxy of proxies) proxy.kill("SIGKILL");
  portless?.close();
  await sigstore?.close();
  await lab?.stop();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
});

/** Starts the proxy that ships, on the address at which engines reach this machine; gives its `host:port`. */
async function startProxy(): Promise<string> {
  const main = new URL("../../dist/main.js", import.meta.url).pathname;
  const options = ["--policy", "policy.yaml", "--config", "sigstore", "--key", "key.pem", "--remember", "0s"];
  const child = spawn(process.execPath, [main, "serve", "--listen", `${lab.hostAddress}:0`, ...options], {
    cwd: directory,
    env: {},
    stdio: ["ignore", "pipe", "inherit"],
  });
  proxies = [...proxies, child];
  for await (const line of createInterface(child.stdout)) {
    const { event, address } = JSON.parse(line) as { event: string; address?: string };
    if (event !== "listening") continue;
    child.stdout.resume();
    return address ?? "";
  }
  throw new Error("the proxy ended");
}

const image = (name: string) => `${host}/${lab.registry.hostname}/${name}`;

describe("push, pull through, push again, pull fails", () => {
  test.for<EngineName>(["main", "legacy"])("with docker pull on the %s engine", async (engine) => {
    const name = `pulled-${engine}:1.0`;
    const first = await lab.push(name, { files: await lab.busybox() });
    const pulled = await lab.docker(["pull", image(name)], { engine, ...TIMEOUT });
    expect(pulled.output).toContain(first.digest);
    expect(pulled.code).toBe(0);

    const second = await lab.push(name, { files: { ...(await lab.busybox()), version: "two\n" } });
    const refused = await lab.docker(["pull", image(name)], { engine, ...TIMEOUT });
    expect(refused.code).not.toBe(0);
    const tag = `${lab.registry.hostname}/${name}`;
    expect(refused.output).toContain(
      `tag invalid: tag "${tag}" mismatch; got "${second.digest}", want "${first.digest}"`,
    );
    const byDigest = `${image(name).replace(/:1\.0$/, "")}@${second.digest}`;
    expect((await lab.docker(["pull", byDigest], { engine, ...TIMEOUT })).code).toBe(0);
  });

  test("with crane, also for an image of several platforms", async () => {
    const crane = await secondRegistryProgram();
    const files = await lab.busybox();
    const platforms = ["linux/amd64", "linux/arm64"];
    const first = await lab.push("many:1.0", { files, platforms });
    const digest = await run(crane, ["digest", "--insecure", image("many:1.0")], TIMEOUT);
    expect(digest.stdout.trim()).toBe(first.digest);
    const out = join(directory, "many.tar");
    const pull = ["pull", "--insecure", "--platform", "linux/arm64", image("many:1.0"), out];
    expect((await run(crane, pull, TIMEOUT)).code).toBe(0);
    const second = await lab.push("many:1.0", { files: { ...files, version: "two\n" }, platforms });
    const refused = await run(crane, pull, TIMEOUT);
    expect(refused.code).not.toBe(0);
    expect(refused.output).toContain(`got "${second.digest}", want "${first.digest}"`);
  });
});

test("200 pulls at once get one image", async () => {
  const crane = await secondRegistryProgram();
  const { digest } = await lab.push("busy:1.0", { files: await lab.busybox() });
  const pulls = Array.from({ length: 200 }, () =>
    run(crane, ["digest", "--insecure", image("busy:1.0")], TIMEOUT),
  );
  expect(new Set((await Promise.all(pulls)).map(({ stdout }) => stdout.trim()))).toEqual(new Set([digest]));
});

// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { expectConsole } from "./cases/console.ts";
import { type ProxySite, startProxySite } from "./cases/proxies.ts";
import { run } from "./lab/command.ts";
import { type EngineName, type Lab, startLab } from "./lab/lab.ts";
import { secondRegistryProgram } from "./lab/second-registry.ts";

const TIMEOUT = { timeoutMs: 120_000 };
/** What stands before our words. The containerd image store asks by HEAD, whose answer has no body, and shows the status line. */
const SAYS: Readonly<Record<EngineName, string>> = { main: ": 400 ", legacy: "Error response from daemon: " };
const PLATFORMS = ["linux/amd64", "linux/arm64"];

let lab: Lab;
let site: ProxySite;
let host: string;

beforeAll(async () => {
  lab = await startLab();
  site = await startProxySite(lab.registry);
  ({ host } = await site.proxy());
});
afterAll(async () => {
  await site?.stop();
  await lab?.stop();
});

const image = (name: string) => `${host}/${lab.registry.hostname}/${name}`;

describe("push, pull through, push again, pull fails", () => {
  test("as docs/proxy.md shows it", async () => {
    const page = readFileSync(new URL("../../docs/proxy.md", import.meta.url), "utf8");
    const [block = "", ...others] = [
      ...page.matchAll(/```console\n([^`]*registry\.example\/acme[^`]*)```/g),
    ].map(([, text = ""]) => text);
    expect(others).toEqual([]);
    const cwd = await mkdtemp(join(site.directory, "demonstration-"));
    const names = { "127.0.0.1:5000": host, "registry.example": lab.registry.hostname };
    await expectConsole(block, { names, shell: (command) => lab.shell(command, { cwd }) });
  });

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
      `${SAYS[engine]}tag invalid: tag "${tag}" mismatch; got "${second.digest}", want "${first.digest}"`,
    );
    const byDigest = `${image(name).replace(/:1\.0$/, "")}@${second.digest}`;
    expect((await lab.docker(["pull", byDigest], { engine, ...TIMEOUT })).code).toBe(0);
  });

  test.for<EngineName>(["main", "legacy"])(
    "with docker pull --platform on the %s engine, which shares one record between platforms",
    async (engine) => {
      const files = await lab.busybox();
      const name = `platforms-${engine}:1.0`;
      const first = await lab.push(name, { files, platforms: PLATFORMS });
      const entries = site.sigstore.log.size;
      for (const platform of PLATFORMS) {
        const pulled = await lab.docker(["pull", "--platform", platform, image(name)], {
          engine,
          ...TIMEOUT,
        });
        expect(pulled.output).toContain(first.digest);
        const format = ["--format", "{{.Os}}/{{.Architecture}}"];
        const chosen = engine === "main" ? ["--platform", platform] : [];
        const inspected = await lab.docker(["image", "inspect", ...chosen, ...format, image(name)], {
          engine,
        });
        expect(inspected.output.trim()).toBe(platform);
      }
      expect(site.sigstore.log.size).toBe(entries + 1);
      const second = await lab.push(name, { files: { ...files, version: "two\n" }, platforms: PLATFORMS });
      for (const platform of PLATFORMS) {
        const refused = await lab.docker(["pull", "--platform", platform, image(name)], {
          engine,
          ...TIMEOUT,
        });
        expect(refused.code).not.toBe(0);
        expect(refused.output).toContain(`got "${second.digest}", want "${first.digest}"`);
      }
    },
  );

  test("with crane, also for an image of several platforms", async () => {
    const crane = await secondRegistryProgram();
    const files = await lab.busybox();
    const first = await lab.push("many:1.0", { files, platforms: PLATFORMS });
    const digest = await run(crane, ["digest", "--insecure", image("many:1.0")], TIMEOUT);
    expect(digest.stdout.trim()).toBe(first.digest);
    const out = join(site.directory, "many.tar");
    const pull = ["pull", "--insecure", "--platform", "linux/arm64", image("many:1.0"), out];
    expect((await run(crane, pull, TIMEOUT)).code).toBe(0);
    const second = await lab.push("many:1.0", {
      files: { ...files, version: "two\n" },
      platforms: PLATFORMS,
    });
    const refused = await run(crane, pull, TIMEOUT);
    expect(refused.code).not.toBe(0);
    expect(refused.output).toContain(`got "${second.digest}", want "${first.digest}"`);
  });
});

describe("200 clients at once", () => {
  const CLIENTS = 200;

  test("get one digest", async () => {
    const crane = await secondRegistryProgram();
    const { digest } = await lab.push("busy:1.0", { files: await lab.busybox() });
    const pulls = Array.from({ length: CLIENTS }, () =>
      run(crane, ["digest", "--insecure", image("busy:1.0")], TIMEOUT),
    );
    expect(new Set((await Promise.all(pulls)).map(({ stdout }) => stdout.trim()))).toEqual(new Set([digest]));
  });

  test("pull the whole image, and get the same bytes of manifest, configuration and layer", async () => {
    const crane = await secondRegistryProgram();
    const name = "whole:1.0";
    const { digest } = await lab.push(name, { files: await lab.busybox() });
    /** The digests of what a client wrote, after each was looked at. */
    const pull = async (from: string, to: string): Promise<string> => {
      const out = join(site.directory, to);
      const { code, output } = await run(crane, ["pull", "--insecure", "--format=oci", from, out], TIMEOUT);
      expect(code, output).toBe(0);
      const blobs = join(out, "blobs/sha256");
      const names = (await readdir(blobs)).toSorted();
      for (const each of names) expect(sha256(await readFile(join(blobs, each)))).toBe(`sha256:${each}`);
      await rm(out, { recursive: true });
      return names.join(" ");
    };
    const pulled = await Promise.all(
      Array.from({ length: CLIENTS }, (_, number) => pull(image(name), `whole-${number}`)),
    );
    const direct = await pull(`${lab.registry.address}/${name}`, "whole");
    expect(direct.split(" ")).toHaveLength(3);
    expect(direct).toContain(digest.slice("sha256:".length));
    expect(new Set(pulled)).toEqual(new Set([direct]));
  });
});

// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layersOf } from "./cases/registry-content.ts";
import { mustRun } from "./lab/command.ts";
import { parseReference } from "../../src/image/reference.ts";
import { copyContext, REPOSITORY } from "./lab/frontend-image.ts";
import { type Lab, startLab } from "./lab/lab.ts";
import { rekorCli } from "./lab/rekor-cli.ts";
import { removeLab } from "./lab/remove.ts";
import type { Files } from "./lab/tar.ts";

let lab: Lab;
let system: Files;

beforeAll(async () => {
  lab = await startLab();
  system = await lab.busybox();
});
afterAll(() => lab?.stop());

const withVersion = (version: string): { files: Files } => ({
  files: { ...system, version: `${version}\n` },
});

/** The layers of the frontend image as it is released. */
async function frontendLayers(options: { readonly context?: string }): ReturnType<typeof layersOf> {
  const { repository, tag = "" } = parseReference(await lab.buildFrontend({ ...options, isRelease: true }));
  return layersOf(lab.registry, repository, tag);
}

describe("an engine and a registry of the lab", () => {
  test("build an image and run its steps", async () => {
    const { reference } = await lab.push("base:1.0", withVersion("one"));
    const built = await lab.build({
      dockerfile: `FROM ${reference}\nCOPY note /\nARG WHO\nRUN echo "$(cat /version) $(cat /note) $WHO"\n`,
      files: { note: "hello" },
      args: ["--build-arg", "WHO=you"],
    });
    expect(built.output).toContain("one hello you");
    expect(built.code).toBe(0);
  });

  test("give another digest to a tag that was pushed anew, and the same to the same content", async () => {
    const first = await lab.push("moving:1.0", withVersion("one"));
    const second = await lab.push("moving:1.0", withVersion("two"));
    const third = await lab.push("moving:1.0", withVersion("one"));
    expect(second.digest).not.toBe(first.digest);
    expect(third).toEqual(first);
  });

  test("tell which requests the registry got", async () => {
    const { reference, digest } = await lab.push("asked:1.0", withVersion("asked"));
    const before = lab.registry.requests().length;
    await lab.build({ dockerfile: `FROM ${reference}\n`, args: ["-o", "type=cacheonly"] });
    expect(lab.registry.requests().slice(before)).toEqual(
      expect.arrayContaining(["HEAD /v2/asked/manifests/1.0", `GET /v2/asked/manifests/${digest}`]),
    );
  });

  test("refuse connections while the registry is stopped, and keep what was pushed", async () => {
    const { reference } = await lab.push("kept:1.0", withVersion("kept"));
    await lab.registry.stop();
    const without = await lab.build({ dockerfile: `FROM ${reference}\n` });
    await lab.registry.start();
    const again = await lab.build({ dockerfile: `FROM ${reference}\n` });
    expect(without.output).toContain("connection refused");
    expect(without.code).toBe(1);
    expect(again.code, again.output).toBe(0);
  });

  test("know base images without layers, with triggers, and of several platforms", async () => {
    const bare = await lab.push("bare:1.0", { layers: false, env: { GREETING: "from the configuration" } });
    const trigger = await lab.push("trigger:1.0", {
      ...withVersion("t"),
      onbuild: ["RUN echo triggered $(cat /version)"],
    });
    const multi = await lab.push("multi:1.0", {
      ...withVersion("m"),
      platforms: ["linux/amd64", "linux/arm64"],
    });
    const built = await lab.build({
      dockerfile: [
        `FROM ${bare.reference} AS bare`,
        `FROM ${trigger.reference} AS trigger`,
        `RUN --mount=from=${multi.reference},target=/m cat /m/version > /result`,
        `FROM bare`,
        `COPY --from=trigger /bin /bin`,
        `COPY --from=trigger /result /result`,
        `RUN echo "$GREETING $(cat /result)"`,
      ].join("\n"),
    });
    expect(built.output).toContain("triggered t");
    expect(built.output).toContain("from the configuration m");
    expect(built.output).toContain(`${multi.reference}@${multi.digest}`);
    expect(built.code).toBe(0);
    const platforms = await lab.build({
      dockerfile: `FROM ${multi.reference}\nCOPY note /\n`,
      files: { note: "" },
      args: ["--platform", "linux/amd64,linux/arm64"],
    });
    expect(platforms.code, platforms.output).toBe(0);
    expect(Object.keys(multi.manifests)).toEqual(["linux/amd64", "linux/arm64"]);
  });

  test("reach servers of a test from build steps, and nothing else", async () => {
    const { reference } = await lab.push("base:1.0", withVersion("one"));
    const server = createServer((_, answer) => answer.end("found it"));
    await new Promise<void>((listening) => server.listen(0, lab.hostAddress, listening));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;
    const built = await lab.build({
      dockerfile: `FROM ${reference}\nRUN wget -q -O - http://${lab.hostAddress}:${port}/ && ! wget -q http://registry.invalid/\n`,
    });
    server.close();
    expect(built.output).toContain("found it");
    expect(built.code).toBe(0);
  });

  test("hand secrets to builds", async () => {
    const { reference } = await lab.push("base:1.0", withVersion("one"));
    const built = await lab.build({
      dockerfile: `FROM ${reference}\nRUN --mount=type=secret,id=word test "$(cat /run/secrets/word)" = quiet\n`,
      secrets: { word: "quiet" },
    });
    expect(built.code, built.output).toBe(0);
  });

  test("end a build that takes too long", async () => {
    const { reference } = await lab.push("base:1.0", withVersion("one"));
    await expect(
      lab.build({ dockerfile: `FROM ${reference}\nRUN sleep 60\n`, timeoutMs: 2_000 }),
    ).rejects.toMatchObject({ code: "TIMEOUT", message: expect.stringContaining("RUN sleep 60") });
  });
});

describe("the legacy engine", () => {
  test("builds, and forgets the digest of an image that it has pulled", async () => {
    const { reference, digest } = await lab.push("old:1.0", withVersion("old"));
    const pulled = await lab.docker(["pull", reference], { engine: "legacy" });
    expect(pulled.code, pulled.output).toBe(0);
    const built = await lab.build({ engine: "legacy", dockerfile: `FROM ${reference}\nRUN cat /version\n` });
    expect(built.code, built.output).toBe(0);
    expect(built.output).not.toContain(digest);
  });
});

describe("the frontend image", () => {
  test("has Node, its labels and what is put on top of it", async () => {
    const context = await mkdtemp(join(tmpdir(), "frontend-"));
    await copyContext(REPOSITORY, context);
    await writeFile(
      join(context, "dist/frontend.cjs"),
      `require("v8").startupSnapshot.setDeserializeMainFunction(() => console.error("the frontend runs on " + process.version));\n`,
    );
    const frontend = await lab.buildFrontend({ context });
    const derived = await lab.deriveFrontend({ "policy.yaml": "version: 1\n" }, frontend);
    const other = await lab.deriveFrontend({ "policy.yaml": "version: 2\n" }, frontend);
    await rm(context, { recursive: true });

    const ran = await lab.docker(["run", "--rm", derived]);
    expect(ran.output).toContain(`the frontend runs on ${process.version}`);
    const inspected = await lab.docker(["image", "inspect", "--format", "{{json .Config.Labels}}", derived]);
    expect(JSON.parse(inspected.stdout)).toMatchObject({
      "moby.buildkit.frontend.network.none": "true",
      "moby.buildkit.frontend.caps": expect.stringContaining("moby.buildkit.frontend.inputs"),
      "org.opencontainers.image.title": "tlog-dockerfile",
    });
    expect(other).not.toBe(derived);
    const conversion = "/opt/tlog-dockerfile/conversion/dockerfile-frontend";
    const version = await lab.docker(["run", "--rm", "--entrypoint", conversion, derived, "--version"]);
    expect(version.output).toContain("github.com/moby/buildkit/frontend/dockerfile/cmd/dockerfile-frontend");
    expect(version.code).toBe(0);

    const built = await lab.build({ syntax: derived, dockerfile: "FROM scratch\n" });
    expect(built.code).toBe(1);
    expect(built.output).toContain(`docker-image://${derived}@sha256:`);
  });

  test("has 55 MB at most as it is released, and a new release of ours is its last layer", async () => {
    const layers = await frontendLayers({});
    const megabytes = layers.map(({ size }) => size / 1e6);
    expect(megabytes.reduce((sum, each) => sum + each)).toBeLessThan(55);
    expect(megabytes).toHaveLength(3);
    expect(megabytes[2]).toBeLessThan(6);

    const context = await mkdtemp(join(tmpdir(), "frontend-"));
    await copyContext(REPOSITORY, context);
    await writeFile(join(context, "dist/news.txt"), "a release\n");
    const next = await frontendLayers({ context });
    await rm(context, { recursive: true });
    expect(next.slice(0, 2)).toEqual(layers.slice(0, 2));
    expect(next[2]).not.toEqual(layers[2]);
  });

  test("has no shell, and runs with nothing that it could write to", async () => {
    const frontend = await lab.buildFrontend();
    const shell = await lab.docker(["run", "--rm", "--entrypoint", "/bin/sh", frontend, "-c", "true"]);
    expect(shell.code).toBe(127);
    const alone = ["run", "--rm", "--read-only", "--network", "none", "--cap-drop", "ALL"];
    const { code, output } = await lab.docker([...alone, frontend, "--version"]);
    expect(output).toMatch(/^tlog-dockerfile \d+\.\d+\.\d+/);
    expect(code).toBe(0);
  });
});

describe("the upstream frontend's image", () => {
  test.for(["mainline", "labs"] as const)("converts Dockerfiles: %s", async (channel) => {
    const base = await lab.push("base:1.0", withVersion("one"));
    const { reference } = await lab.upstreamFrontend(channel);
    const dockerfile = `FROM ${base.reference}\nRUN cat /version\n`;
    const built = await lab.build({ syntax: reference, dockerfile, args: ["--no-cache"] });
    expect(built.output).toContain(`docker-image://${reference}@sha256:`);
    expect(built.output).toMatch(/^#\d+ [0-9.]+ one$/m);
    expect(built.code).toBe(0);
  });
});

describe("the lab's tools and traces", () => {
  test("have a rekor-cli that runs", async () => {
    const { output } = await mustRun(await rekorCli(), ["version"], { timeoutMs: 10_000 });
    expect(output).toContain("GitVersion");
  });

  test("are gone after the lab was stopped, and two labs do not meet", async () => {
    const second = await startLab({ ownEngine: true });
    const { reference } = await second.push("base:1.0", withVersion("of the second lab"));
    expect(second.registry.address).not.toBe(lab.registry.address);
    const built = await second.build({ dockerfile: `FROM ${reference}\nRUN cat /version\n` });
    expect(built.output).toContain("of the second lab");
    expect(await second.engineLog()).toContain("Daemon has completed initialization");
    const socket = second.engine.dockerHost.slice("unix://".length);
    expect(existsSync(socket)).toBe(true);
    await second.stop();
    expect(existsSync(socket)).toBe(false);
  });

  test("are removed by one command, which touches nothing but a lab", async () => {
    const directory = await mkdtemp(join(tmpdir(), "not-a-lab-"));
    await writeFile(join(directory, "made"), "");
    await expect(removeLab(directory)).rejects.toMatchObject({ code: "NOT_POSSIBLE" });
    expect(existsSync(join(directory, "made"))).toBe(true);
    await writeFile(join(directory, "tlog-lab"), "");
    await mkdir(join(directory, "root"));
    expect(await removeLab(directory)).toBe(true);
    expect(existsSync(directory)).toBe(false);
    expect(await removeLab(directory)).toBe(false);
  });
});

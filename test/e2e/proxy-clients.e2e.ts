// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { type Forwarder, startForwarder } from "./cases/forwarder.ts";
import { type ProxySite, type ServedProxy, startProxySite } from "./cases/proxies.ts";
import { type Chroot, chroot } from "./lab/chroot.ts";
import { mustRun, type Outcome, run } from "./lab/command.ts";
import { type Containerd, startContainerd } from "./lab/containerd.ts";
import { type Engine, type ImageStore, startEngine } from "./lab/engine.ts";
import type { PushedImage } from "./lab/images.ts";
import { type Lab, startLab } from "./lab/lab.ts";
import { type PullClient, pullClient } from "./lab/pull-clients.ts";
import { newRun, removeRun, type RunDirectory } from "./lab/runs.ts";
import type { Files } from "./lab/tar.ts";

const TIMEOUT = { timeoutMs: 120_000 };
const PLATFORMS = ["linux/amd64", "linux/arm64"];
const HOST_PLATFORM = process.arch === "arm64" ? "linux/arm64" : "linux/amd64";

let lab: Lab;
let system: Chroot;
let files: Files;
/** The lab's registry on loopback: containerd asks that without TLS by itself. */
let loopback: Forwarder;
let site: ProxySite;
let proxy: ServedProxy;
/** Removed in the end; its path is short, for sockets. */
let directory: string;

beforeAll(async () => {
  lab = await startLab();
  system = await chroot();
  files = await lab.busybox();
  loopback = await startForwarder({ hostname: "127.0.0.1" }, [lab.registry.address]);
  site = await startProxySite(lab.registry, { hosts: [loopback.address] });
  proxy = await site.proxy();
  directory = mkdtempSync("/tmp/clients-");
});
afterAll(async () => {
  await site?.stop();
  await loopback?.close();
  await lab?.stop();
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
});

/** An image for all platforms that the tests pull. */
const push = (name: string, version: string): Promise<PushedImage> =>
  lab.push(name, { files: { ...files, version: `${version}\n` }, platforms: PLATFORMS });

/** What a refusal says, whichever client shows it. */
const mismatch = (name: string, first: PushedImage, second: PushedImage): string =>
  `tag "${name}" mismatch; got "${second.digest}", want "${first.digest}"`;

/** Pushes, pulls, pushes again, is refused, pulls by digest; gives the first image and what the first pull printed. */
async function pullTwice(
  name: string,
  pull: (reference: string) => Promise<Outcome>,
  registry = "docker.io",
): Promise<{ readonly first: PushedImage; readonly pulled: Outcome }> {
  const first = await push(`${name}:1.0`, "one");
  const pulled = await pull(`${name}:1.0`);
  expect(pulled.code, pulled.output).toBe(0);
  const second = await push(`${name}:1.0`, "two");
  const refused = await pull(`${name}:1.0`);
  expect(refused.code).not.toBe(0);
  // Some print it within quotes of their own.
  const text = refused.output.replaceAll('\\"', '"');
  expect(text).toContain(`tag invalid: ${mismatch(`${registry}/${name}:1.0`, first, second)}`);
  for (const { digest } of [first, second]) {
    const byDigest = await pull(`${name}@${digest}`);
    expect(byDigest.code, byDigest.output).toBe(0);
  }
  return { first, pulled };
}

/** The configuration on the page that begins so. */
function shown(start: string): string {
  const page = readFileSync(new URL("../../docs/proxy.md", import.meta.url), "utf8");
  const blocks = [...page.matchAll(/```toml\n([^`]+)```/g)].map(([, text = ""]) => text);
  const block = blocks.find((text) => text.startsWith(start));
  if (block === undefined)
    throw new Error(`docs/proxy.md shows no configuration that begins with "${start}"`);
  return block;
}

/** The page's registries.conf, for this proxy and a registry of the lab. */
function registriesConf(): string {
  return shown("[[registry]]")
    .replaceAll("tlog.example", proxy.host)
    .replaceAll("ghcr.io", lab.registry.hostname)
    .replaceAll(/^location = .*$/gm, "$&\ninsecure = true");
}

describe("skopeo", () => {
  const copy = (reference: string, to: string, ...options: readonly string[]): Promise<Outcome> => {
    const from = `docker://${proxy.host}/${reference}`;
    const args = ["--insecure-policy", ...options, "copy", "--src-tls-verify=false", from, `dir:${to}`];
    return run(system.tool("skopeo"), args, TIMEOUT);
  };

  test("copies by tag, is refused when the tag has moved, and copies by digest", async () => {
    let copies = 0;
    await pullTwice("acme/skopeo", (reference) => copy(reference, join(directory, `skopeo-${copies++}`)));
  });

  /** Copies what has this name, with this registries.conf. */
  async function copyNamed(reference: string, conf: string): Promise<Outcome> {
    const to = mkdtempSync(join(directory, "skopeo-"));
    await writeFile(join(to, "registries.conf"), conf);
    const options = ["--insecure-policy", "--registries-conf", join(to, "registries.conf")];
    return run(
      system.tool("skopeo"),
      [...options, "copy", `docker://${reference}`, `dir:${to}/image`],
      TIMEOUT,
    );
  }

  test("copies images by their own names, where a registries.conf leads to the proxy", async () => {
    for (const registry of ["docker.io", lab.registry.hostname])
      await pullTwice(
        `acme/skopeo-${registry}`,
        (reference) => copyNamed(`${registry}/${reference}`, registriesConf()),
        registry,
      );
  });

  test("goes around the proxy where that is a mirror there", async () => {
    const { hostname } = lab.registry;
    const conf = `[[registry]]
location = "${hostname}"
insecure = true
[[registry.mirror]]
location = "${proxy.host}/${hostname}"
insecure = true
`;
    const copyMirrored = () => copyNamed(`${hostname}/acme/mirror:1.0`, conf);
    await push("acme/mirror:1.0", "one");
    expect((await copyMirrored()).code).toBe(0);
    await push("acme/mirror:1.0", "two");
    expect((await copyMirrored()).code).toBe(0);
    const path = `/v2/${hostname}/acme/mirror/manifests/1.0`;
    const statuses = proxy.log.filter((entry) => entry["path"] === path).map(({ status }) => status);
    expect(statuses, "the proxy refused what was copied").toEqual([200, 400]);
  });

  test("copies the image of another platform", async () => {
    const { manifests } = await push("acme/platforms:1.0", "one");
    for (const platform of PLATFORMS) {
      const [, arch = ""] = platform.split("/");
      const to = join(directory, `skopeo-${arch}`);
      const copied = await copy("acme/platforms:1.0", to, "--override-arch", arch);
      expect(copied.code, copied.output).toBe(0);
      expect(sha256(readFileSync(join(to, "manifest.json")))).toBe(manifests[platform]);
    }
  });
});

describe("containerd with a hosts.toml", () => {
  let containerd: Containerd;
  let hosts: string;
  beforeAll(async () => {
    containerd = await startContainerd(system, join(directory, "containerd"));
    hosts = join(directory, "certs.d");
  });
  afterAll(() => containerd?.stop());

  /** Writes what docs/proxy.md says, for this registry. */
  async function configure(registry: string, change = (text: string) => text): Promise<void> {
    const text = shown("server = ").replaceAll("https://tlog.example", `http://${proxy.host}`);
    const file = join(hosts, registry, "hosts.toml");
    await mkdir(join(file, ".."), { recursive: true });
    await writeFile(file, change(text));
  }
  const pull = (reference: string): Promise<Outcome> =>
    containerd.ctr("images", "pull", "--hosts-dir", hosts, reference);

  test("pulls images of Docker Hub by their own names, and is refused when a tag has moved", async () => {
    await configure("docker.io");
    const { first } = await pullTwice("acme/containerd", (name) => pull(`docker.io/${name}`));
    const listed = await containerd.ctr("images", "list");
    expect(listed.output).toContain(`docker.io/acme/containerd@${first.digest}`);
  });

  test("does not go around the proxy, which it does without the line `server`", async () => {
    const { address } = loopback;
    await configure(address);
    const { first } = await pullTwice("acme/around", (name) => pull(`${address}/${name}`), address);
    const third = await push("acme/around:1.0", "three");
    expect((await pull(`${address}/acme/around:1.0`)).output).toContain(
      mismatch(`${address}/acme/around:1.0`, first, third),
    );
    await configure(address, (text) => text.replace(/^server = .*\n/, ""));
    const around = await pull(`${address}/acme/around:1.0`);
    expect(around.code, around.output).toBe(0);
    expect(around.output).toContain(third.digest);
  });
});

describe.for<ImageStore>(["containerd", "legacy"])(
  "a Docker Engine with the proxy as a mirror, %s store",
  (store) => {
    const HUB = "registry-1.docker.io";
    let directories: RunDirectory;
    let hub: Forwarder;
    let engine: Engine;
    beforeAll(async () => {
      directories = await newRun(system.labDir);
      const request = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout - -out -";
      const subject = ["-subj", `/CN=${HUB}`, "-addext", `subjectAltName=DNS:${HUB}`];
      const openssl = [system.root, "openssl", "req", ...request.split(" "), ...subject];
      const { stdout: tls } = await mustRun("chroot", openssl, TIMEOUT);
      // An address of this machine where nobody answers on port 80: Docker would try that too, because it is told to take registries
      // without TLS here.
      const { hostAddress } = await lab.legacyEngine();
      const at = { hostname: hostAddress, port: 443, tls: { key: tls, cert: tls } };
      hub = await startForwarder(at, [lab.registry.address]);
      engine = await startEngine(system, directories, {
        name: "mirrored",
        store,
        configuration: { "registry-mirrors": [`http://${proxy.host}`] },
        etc: {
          hosts: `127.0.0.1 localhost\n${hostAddress} ${HUB}\n`,
          "ssl/certs/ca-certificates.crt": tls.slice(tls.indexOf("-----BEGIN CERTIFICATE")),
        },
      });
    });
    afterAll(async () => {
      await engine?.stop();
      await hub?.close();
      if (directories !== undefined) await removeRun(directories);
    });
    const pull = (reference: string): Promise<Outcome> =>
      run(system.tool("docker"), ["pull", reference], {
        env: { DOCKER_HOST: engine.dockerHost, HOME: directory },
        ...TIMEOUT,
      });

    test("asks Docker Hub itself when the proxy refuses: it protects where Docker Hub cannot be reached, and nowhere else", async () => {
      const name = `acme/mirrored-${store}:1.0`;
      const first = await push(name, "one");
      expect((await pull(name)).output).toContain(first.digest);
      expect(hub.connections(), "Docker Hub is not asked for what the proxy serves").toBe(0);

      const second = await push(name, "two");
      const around = await pull(name);
      expect(around.code, around.output).toBe(0);
      expect(around.output).toContain(second.digest);
      expect(hub.connections()).toBeGreaterThan(0);

      await hub.close();
      const third = await push(name, "three");
      const refused = await pull(name);
      expect(refused.code).not.toBe(0);
      expect(refused.output).toContain(
        // The older store shows the last failure alone.
        store === "containerd" ? mismatch(`docker.io/${name}`, first, third) : `Get "https://${HUB}/v2/"`,
      );
      const asked = proxy.log.filter(({ path }) => path === `/v2/acme/mirrored-${store}/manifests/1.0`);
      expect(asked.at(-1), "it asked the proxy, which refused").toMatchObject({ status: 400 });
    });
  },
);

describe("podman and buildah", () => {
  // The first of them may have to install both.
  const INSTALLING = 600_000;

  test.for<PullClient>(["podman", "buildah"])(
    "%s pulls by tag, is refused when the tag has moved, and pulls by digest",
    { timeout: INSTALLING },
    async (client) => {
      const images = mkdtempSync(join(directory, `${client}-`));
      const { first, pulled } = await pullTwice(`acme/${client}`, (reference) =>
        pullClient(
          client,
          ["pull", "--policy=always", "--retry=0", "--tls-verify=false", `${proxy.host}/${reference}`],
          {
            directory: images,
            ...TIMEOUT,
          },
        ),
      );
      // It prints the image's configuration, which is what the image of this machine's platform names.
      const manifest = await fetch(
        `http://${proxy.host}/v2/acme/${client}/manifests/${first.manifests[HOST_PLATFORM]}`,
      );
      const { config } = (await manifest.json()) as { config: { digest: string } };
      expect(`sha256:${pulled.stdout.trim()}`).toBe(config.digest);
    },
  );

  test.for(["docker.io", "another registry"])(
    "podman pulls images of %s by their own names, where a registries.conf leads to the proxy",
    { timeout: INSTALLING },
    async (which) => {
      const registry = which === "docker.io" ? which : lab.registry.hostname;
      const images = mkdtempSync(join(directory, "podman-"));
      await writeFile(join(images, "registries.conf"), registriesConf());
      await pullTwice(
        `acme/conf-${registry}`,
        (reference) =>
          pullClient("podman", ["pull", "--policy=always", "--retry=0", `${registry}/${reference}`], {
            directory: images,
            ...TIMEOUT,
          }),
        registry,
      );
    },
  );
});

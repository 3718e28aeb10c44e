// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Sha256, sha256 } from "../../../src/image/digest.ts";
import type { Chroot } from "./chroot.ts";
import { mustRun } from "./command.ts";
import { httpRequest } from "./http-request.ts";
import { LabError } from "./lab-error.ts";
import { type Files, tar } from "./tar.ts";

/** What an image shall hold. The same content gives the same digests, another content others. */
export interface ImageContent {
  readonly files?: Files;
  /** False: the image has a configuration and no layer at all. */
  readonly layers?: false;
  readonly env?: Readonly<Record<string, string>>;
  readonly cmd?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly workdir?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Dockerfile instructions for the builds that use the image as a base. */
  readonly onbuild?: readonly string[];
  /** Two or more make an index; without it the image is a single one for this machine's platform. */
  readonly platforms?: readonly string[];
  /** False: the layer is pushed as it is; saves seconds for large files. */
  readonly compress?: false;
}

/** A pushed image: `digest` is what the tag names, the index or the one manifest. */
export interface PushedImage {
  /** `registry/repository:tag`, for a Dockerfile. */
  readonly reference: string;
  readonly digest: Sha256;
  /** The manifest of each platform, by `os/architecture`. */
  readonly manifests: Readonly<Record<string, Sha256>>;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: Sha256;
  readonly size: number;
}

const OCI = "application/vnd.oci.image";
const HOST_PLATFORM = process.arch === "arm64" ? "linux/arm64" : "linux/amd64";

/**
 * Pushes an image under `repository:tag`, over whatever the tag named before, by the OCI distribution
 * specification's plain HTTP. Throws LabError REGISTRY when the registry refuses a part of it.
 */
export async function pushImage(
  registry: { readonly hostname: string; readonly port: number; readonly address: string },
  name: string,
  content: ImageContent,
): Promise<PushedImage> {
  const [repository = "", tag = "latest"] = name.split(":");
  const to = { ...registry, repository };
  const layers: Descriptor[] = [];
  const diffIds: Sha256[] = [];
  if (content.layers !== false) {
    const archive = tar(content.files ?? {});
    diffIds.push(sha256(archive));
    layers.push(
      content.compress === false
        ? await pushBlob(to, `${OCI}.layer.v1.tar`, archive)
        : await pushBlob(to, `${OCI}.layer.v1.tar+gzip`, gzipSync(archive, { level: 1 })),
    );
  }

  const platforms = content.platforms ?? [HOST_PLATFORM];
  const manifests: (Descriptor & { readonly platform: Platform })[] = [];
  for (const platform of platforms.map(parsePlatform)) {
    const config = await pushBlob(to, `${OCI}.config.v1+json`, json(configOf(content, platform, diffIds)));
    const manifest = { schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, config, layers };
    const single = platforms.length === 1;
    manifests.push({ ...(await pushManifest(to, manifest, single ? tag : undefined)), platform });
  }
  const [first] = manifests;
  if (first === undefined) throw new RangeError(`image "${name}" has no platform`);
  const top =
    manifests.length === 1
      ? first
      : await pushManifest(to, { schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests }, tag);
  return {
    reference: `${registry.address}/${repository}:${tag}`,
    digest: top.digest,
    manifests: Object.fromEntries(
      manifests.map(({ platform, digest }) => [`${platform.os}/${platform.architecture}`, digest]),
    ),
  };
}

/** Static busybox with a link for each of its commands: enough for RUN steps, without a network to get it from. */
export async function busybox(chroot: Chroot): Promise<Files> {
  const path = join(chroot.root, "usr/bin/busybox");
  const { stdout } = await mustRun(path, ["--list"], { timeoutMs: 10_000 });
  const names = stdout.split("\n").filter((name) => name !== "" && name !== "busybox");
  return {
    ...Object.fromEntries(names.map((name) => [`bin/${name}`, { symlink: "busybox" }])),
    "bin/busybox": { content: await readFile(path), mode: 0o755 },
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "tmp/.keep": "",
  };
}

interface Platform {
  readonly os: string;
  readonly architecture: string;
}

function parsePlatform(text: string): Platform {
  const [os = "linux", architecture = "amd64"] = text.split("/");
  return { os, architecture };
}

/** The image configuration as Docker reads it; `OnBuild` is Docker's own addition to OCI's. */
function configOf(content: ImageContent, platform: Platform, diffIds: readonly Sha256[]): object {
  const created = "1970-01-01T00:00:00Z";
  return {
    ...platform,
    created,
    config: {
      Env: Object.entries({ PATH: "/usr/local/bin:/usr/bin:/bin", ...content.env }).map(
        ([key, value]) => `${key}=${value}`,
      ),
      ...(content.cmd === undefined ? {} : { Cmd: content.cmd }),
      ...(content.entrypoint === undefined ? {} : { Entrypoint: content.entrypoint }),
      ...(content.workdir === undefined ? {} : { WorkingDir: content.workdir }),
      ...(content.labels === undefined ? {} : { Labels: content.labels }),
      ...(content.onbuild === undefined ? {} : { OnBuild: content.onbuild }),
    },
    rootfs: { type: "layers", diff_ids: diffIds },
    history: diffIds.map(() => ({ created, created_by: "lab" })),
  };
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

interface Target {
  readonly hostname: string;
  readonly port: number;
  readonly repository: string;
}

async function pushBlob(to: Target, mediaType: string, bytes: Uint8Array): Promise<Descriptor> {
  const digest = sha256(bytes);
  const begun = await ask(to, "POST", `/v2/${to.repository}/blobs/uploads/`, 202);
  const location = new URL(String(begun.headers["location"]), `http://${to.hostname}:${to.port}`);
  location.searchParams.set("digest", digest);
  await ask(to, "PUT", location.pathname + location.search, 201, {
    mediaType: "application/octet-stream",
    bytes,
  });
  return { mediaType, digest, size: bytes.length };
}

async function pushManifest(
  to: Target,
  manifest: Readonly<Record<string, unknown>> & { readonly mediaType: string },
  tag: string | undefined,
): Promise<Descriptor> {
  const { mediaType } = manifest;
  const bytes = json(manifest);
  const digest = sha256(bytes);
  await ask(to, "PUT", `/v2/${to.repository}/manifests/${tag ?? digest}`, 201, { mediaType, bytes });
  return { mediaType, digest, size: bytes.length };
}

async function ask(
  { hostname, port }: Target,
  method: string,
  path: string,
  expected: number,
  content?: { readonly mediaType: string; readonly bytes: Uint8Array },
) {
  const answer = await httpRequest({
    hostname,
    port,
    method,
    path,
    timeoutMs: 60_000,
    ...(content === undefined ? {} : { body: content.bytes, headers: { "content-type": content.mediaType } }),
  });
  if (answer.status !== expected) {
    throw new LabError(
      "REGISTRY",
      `push to ${hostname}:${port}: ${method} ${path} answered ${answer.status} instead of ${expected}: "${answer.body.toString("utf8").slice(0, 500)}"`,
    );
  }
  return answer;
}

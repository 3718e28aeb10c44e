// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { openRegistry, type Registry as Client } from "../../src/registry/client.ts";
import { dockerCredentials } from "../../src/registry/credentials.ts";
import { chroot, labDirectory } from "./lab/chroot.ts";
import { type Registry, startRegistry } from "./lab/registry.ts";
import { newRun, removeRun, type RunDirectory } from "./lab/runs.ts";

const OCI = "application/vnd.oci.image";
const EMPTY = Buffer.from("{}");

let run: RunDirectory;
let real: Registry;

beforeAll(async () => {
  const system = await chroot(labDirectory());
  run = await newRun(labDirectory());
  real = await startRegistry(system, run, "127.0.0.1");
});
afterAll(async () => {
  await real?.stop();
  if (run !== undefined) await removeRun(run);
});

function client(): Client {
  const registry = openRegistry({
    credentials: dockerCredentials({ DOCKER_CONFIG: run.scratch }),
    plainHttp: (host) => host === real.address,
  });
  onTestFinished(() => registry.close());
  return registry;
}

const at = (repository: string) => ({ registry: real.address, repository });
const until = () => ({ signal: AbortSignal.timeout(30_000) });
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

/** An image that is nothing but its configuration, as a part of a ledger is; gives its descriptor. */
async function pushPart(registry: Client, repository: string, configuration: Buffer) {
  const layer = { mediaType: "application/vnd.oci.empty.v1+json", digest: sha256(EMPTY), size: EMPTY.length };
  const config = {
    mediaType: `${OCI}.config.v1+json`,
    digest: await registry.pushBlob(at(repository), configuration, until()),
    size: configuration.length,
  };
  await registry.pushBlob(at(repository), EMPTY, until());
  const mediaType = `${OCI}.manifest.v1+json`;
  const bytes = json({ schemaVersion: 2, mediaType, config, layers: [layer] });
  const digest = await registry.pushManifest(at(repository), sha256(bytes), { bytes, mediaType }, until());
  return { mediaType, digest, size: bytes.length };
}

describe("a real registry", () => {
  test("takes an index of images without layers, and gives back every byte", async () => {
    const registry = client();
    const configurations = ["one", "two"].map((text) =>
      json({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] }, text }),
    );
    const manifests = [];
    for (const each of configurations) manifests.push(await pushPart(registry, "team/ledger", each));
    const mediaType = `${OCI}.index.v1+json`;
    const bytes = json({ schemaVersion: 2, mediaType, manifests });
    const digest = await registry.pushManifest(at("team/ledger"), "v1", { bytes, mediaType }, until());
    expect(digest).toBe(sha256(bytes));

    const other = client();
    expect(await other.head(at("team/ledger"), "v1", until())).toEqual({ digest, mediaType });
    for (const name of ["v1", digest]) {
      const read = await other.manifest(at("team/ledger"), name, until());
      expect(read).toMatchObject({ digest, mediaType });
      expect(Buffer.from(read?.bytes ?? []).equals(bytes)).toBe(true);
    }
    for (const each of configurations) {
      const blob = await other.blob(at("team/ledger"), sha256(each), { ...until(), maxBytes: 1000 });
      expect(Buffer.from(blob ?? []).equals(each)).toBe(true);
    }
  });

  test("is sent a blob once", async () => {
    const registry = client();
    const bytes = Buffer.alloc(5 * 1024 * 1024, "tlog");
    const before = real.requests().length;
    const digest = await registry.pushBlob(at("team/blobs"), bytes, until());
    await registry.pushBlob(at("team/blobs"), bytes, until());
    const methods = real
      .requests()
      .slice(before)
      .map((each) => each.split(" ")[0]);
    expect(methods).toEqual(["HEAD", "POST", "PUT", "HEAD"]);
    const blob = await registry.blob(at("team/blobs"), digest, { ...until(), maxBytes: bytes.length });
    expect(Buffer.from(blob ?? []).equals(bytes)).toBe(true);
  });

  test("tells its tags, and which repository it does not have", async () => {
    const registry = client();
    const { mediaType, digest } = await pushPart(
      registry,
      "team/tags",
      json({ architecture: "amd64", os: "linux" }),
    );
    const part = await registry.manifest(at("team/tags"), digest, until());
    const names = ["1.0", "1.1", "edge"];
    for (const name of names)
      await registry.pushManifest(at("team/tags"), name, { bytes: part?.bytes ?? EMPTY, mediaType }, until());
    const tagsOf = async (repository: string) => {
      const all: string[] = [];
      for await (const page of registry.tags(at(repository), { ...until(), max: 10 })) all.push(...page);
      return all.toSorted();
    };
    expect(await tagsOf("team/tags")).toEqual(names);
    await expect(tagsOf("team/nothing")).rejects.toMatchObject({ code: "not-found" });
  });

  test("has nothing, refuses, and cannot be asked, which are three answers", async () => {
    const registry = client();
    expect(await registry.head(at("team/nothing"), "v1", until())).toBeUndefined();
    const wrong = { bytes: json({ schemaVersion: 2 }), mediaType: `${OCI}.manifest.v1+json` };
    await expect(registry.pushManifest(at("team/wrong"), "v1", wrong, until())).rejects.toMatchObject({
      code: "refused",
    });
    await real.stop();
    await expect(registry.head(at("team/nothing"), "v1", until())).rejects.toMatchObject({
      code: "unreachable",
    });
    await real.start();
    expect(await registry.head(at("team/nothing"), "v1", until())).toBeUndefined();
  });
});

// SPDX-License-Identifier: Apache-2.0
import type { Registry } from "../lab/registry.ts";
import { sha256 } from "../../../src/image/digest.ts";

/** A manifest of the lab's registry and its digest. */
export interface Stored<T> {
  readonly digest: string;
  readonly text: string;
  readonly value: T;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: { readonly os: string; readonly architecture: string };
}

export interface Index {
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
}

export interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** One platform's image in the registry, with its attestations by predicate type. */
export interface AttestedImage {
  readonly platform: string;
  readonly manifest: Stored<Manifest>;
  readonly attestations: Readonly<Record<string, Statement>>;
  /** The digest of the manifest that has them. */
  readonly attestedBy: string | undefined;
}

export interface Statement {
  readonly subject: readonly { readonly digest: { readonly sha256: string } }[];
  readonly predicate: unknown;
}

const INDEX = "application/vnd.oci.image.index.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const SUBJECT = "vnd.docker.reference.digest";

/** What the registry has under a tag or a digest of a repository. */
export async function stored<T>(registry: Registry, repository: string, name: string): Promise<Stored<T>> {
  const answer = await fetch(`http://${registry.address}/v2/${repository}/manifests/${name}`, {
    headers: { accept: `${INDEX}, ${MANIFEST}` },
  });
  if (answer.status !== 200)
    throw new Error(`the registry answers ${answer.status} for ${repository} ${name}`);
  const text = await answer.text();
  return { digest: sha256(text), text, value: JSON.parse(text) as T };
}

/** The images of a pushed index with all that is attached to them; of a single manifest, itself alone. */
export async function attestedImages(
  registry: Registry,
  repository: string,
  tag: string,
): Promise<readonly AttestedImage[]> {
  const { value: index } = await stored<Index>(registry, repository, tag);
  if (!("manifests" in index)) {
    const manifest = await stored<Manifest>(registry, repository, tag);
    return [{ platform: "", manifest, attestations: {}, attestedBy: undefined }];
  }
  const images = index.manifests.filter(({ annotations }) => annotations?.[SUBJECT] === undefined);
  return Promise.all(
    images.map(async ({ digest, platform }) => {
      const attestedBy = index.manifests.find(({ annotations }) => annotations?.[SUBJECT] === digest)?.digest;
      const layers =
        attestedBy === undefined
          ? []
          : (await stored<Manifest>(registry, repository, attestedBy)).value.layers;
      const statements = await Promise.all(
        layers.map(async (layer) => {
          const blob = await fetch(`http://${registry.address}/v2/${repository}/blobs/${layer.digest}`);
          return [layer.annotations?.["in-toto.io/predicate-type"] ?? "", (await blob.json()) as Statement];
        }),
      );
      return {
        platform: `${platform?.os}/${platform?.architecture}`,
        manifest: await stored<Manifest>(registry, repository, digest),
        attestations: Object.fromEntries(statements) as Readonly<Record<string, Statement>>,
        attestedBy,
      };
    }),
  );
}

/** Puts an index under a tag, whatever it names. */
export async function pushIndex(
  registry: Registry,
  repository: string,
  { tag, index }: { readonly tag: string; readonly index: Index },
): Promise<void> {
  const answer = await fetch(`http://${registry.address}/v2/${repository}/manifests/${tag}`, {
    method: "PUT",
    headers: { "content-type": index.mediaType },
    body: JSON.stringify(index),
  });
  if (answer.status !== 201) throw new Error(`the registry answers ${answer.status}: ${await answer.text()}`);
}

/** Deletes one manifest; the index that names it stays. */
export async function deleteManifest(registry: Registry, repository: string, digest: string): Promise<void> {
  const answer = await fetch(`http://${registry.address}/v2/${repository}/manifests/${digest}`, {
    method: "DELETE",
  });
  if (answer.status !== 202) throw new Error(`the registry answers ${answer.status}`);
}

/** Copies a manifest and its blobs from one repository into another. */
export async function copyManifest(
  registry: Registry,
  { from, to, digest }: { readonly from: string; readonly to: string; readonly digest: string },
): Promise<void> {
  const { text, value } = await stored<Manifest & { readonly mediaType: string }>(registry, from, digest);
  for (const blob of [value.config, ...value.layers]) {
    const mount = `http://${registry.address}/v2/${to}/blobs/uploads/?mount=${blob.digest}&from=${from}`;
    const mounted = await fetch(mount, { method: "POST" });
    if (mounted.status !== 201)
      throw new Error(`the registry answers ${mounted.status} for "${blob.digest}"`);
  }
  const answer = await fetch(`http://${registry.address}/v2/${to}/manifests/${digest}`, {
    method: "PUT",
    headers: { "content-type": value.mediaType },
    body: text,
  });
  if (answer.status !== 201) throw new Error(`the registry answers ${answer.status}: ${await answer.text()}`);
}

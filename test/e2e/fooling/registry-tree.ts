// SPDX-License-Identifier: Apache-2.0
import { httpRequest } from "../lab/http-request.ts";
import type { Registry } from "../lab/registry.ts";

/** All that one image is in a registry: by digest, what it is. */
export type Tree = ReadonlyMap<string, "manifest" | "config" | "layer">;

interface Manifest {
  readonly manifests?: readonly { readonly digest: string }[];
  readonly config?: { readonly digest: string };
  readonly layers?: readonly { readonly digest: string }[];
}

const ACCEPT = ["application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"];

/** Reads what a digest, or a tag, names: index, manifests, configurations, layers. What is missing is left out. */
export async function treeOf(registry: Registry, repository: string, name: string): Promise<Tree> {
  const { hostname, port } = registry;
  const path = `/v2/${repository}/manifests/${name}`;
  const headers = { accept: ACCEPT.join(", ") };
  const answer = await httpRequest({ hostname, port, path, headers, timeoutMs: 10_000 });
  if (answer.status !== 200) return new Map();
  const { manifests = [], config, layers = [] } = JSON.parse(answer.body.toString()) as Manifest;
  // An index with a thousand lines of the same manifest is read once.
  const children = [...new Set(manifests.map(({ digest }) => digest))];
  const below = await Promise.all(children.map((digest) => treeOf(registry, repository, digest)));
  return new Map([
    [String(answer.headers["docker-content-digest"]), "manifest"],
    ...(config === undefined ? [] : [[config.digest, "config"] as const]),
    ...layers.map(({ digest }) => [digest, "layer"] as const),
    ...below.flatMap((tree) => [...tree]),
  ]);
}

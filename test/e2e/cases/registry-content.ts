// SPDX-License-Identifier: Apache-2.0
import { httpRequest } from "../lab/http-request.ts";
import type { Registry } from "../lab/registry.ts";

/** The digests of the layers that a tag's manifest names, as the registry has it. */
export async function layersOf(
  { hostname, port }: Registry,
  repository: string,
  tag: string,
): Promise<readonly string[]> {
  const path = `/v2/${repository}/manifests/${tag}`;
  const headers = { accept: "application/vnd.oci.image.manifest.v1+json" };
  const { status, body } = await httpRequest({ hostname, port, path, headers, timeoutMs: 10_000 });
  if (status !== 200) throw new Error(`the registry answered ${status} to GET ${path}`);
  const manifest = JSON.parse(body.toString()) as { readonly layers: readonly { readonly digest: string }[] };
  return manifest.layers.map(({ digest }) => digest);
}

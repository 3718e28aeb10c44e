// SPDX-License-Identifier: Apache-2.0
import { httpRequest } from "../lab/http-request.ts";
import type { Registry } from "../lab/registry.ts";

/** The layers that a manifest names, the lowest first, as the registry has it by this tag or digest; sizes in bytes, compressed. */
export async function layersOf(
  { hostname, port }: Registry,
  repository: string,
  reference: string,
): Promise<readonly { readonly digest: string; readonly size: number }[]> {
  const path = `/v2/${repository}/manifests/${reference}`;
  const headers = {
    accept: "application/vnd.oci.image.manifest.v1+json,application/vnd.docker.distribution.manifest.v2+json",
  };
  const { status, body } = await httpRequest({ hostname, port, path, headers, timeoutMs: 10_000 });
  if (status !== 200) throw new Error(`the registry answered ${status} to GET ${path}`);
  return (JSON.parse(body.toString()) as { layers: { digest: string; size: number }[] }).layers;
}

/** Pushes an index of manifests that are in the same repository already, under `repository:tag`. */
export async function pushIndex(
  { hostname, port }: Registry,
  name: string,
  manifests: readonly { readonly digest: string; readonly platform: object }[],
): Promise<void> {
  const [repository = "", tag = ""] = name.split(":");
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const descriptors = await Promise.all(
    manifests.map(async ({ digest, platform }) => {
      const path = `/v2/${repository}/manifests/${digest}`;
      const headers = { accept: mediaType };
      const { body } = await httpRequest({ hostname, port, path, headers, timeoutMs: 10_000 });
      return { mediaType, digest, size: body.length, platform };
    }),
  );
  const index = "application/vnd.oci.image.index.v1+json";
  const path = `/v2/${repository}/manifests/${tag}`;
  const { status } = await httpRequest({
    hostname,
    port,
    method: "PUT",
    path,
    headers: { "content-type": index },
    body: Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: index, manifests: descriptors })),
    timeoutMs: 10_000,
  });
  if (status !== 201) throw new Error(`the registry answered ${status} to PUT ${path}`);
}

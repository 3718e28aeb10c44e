// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { sha256 } from "../image/digest.ts";
import { conform, parseJson } from "../log/foreign-json.ts";
import type { Registry, RepositoryName } from "./client.ts";
import { RegistryError } from "./error.ts";

const DigestText = v.pipe(
  v.string(),
  v.regex(/^sha256:[0-9a-f]{64}$/, "is not a sha256"),
  v.transform((digest) => digest as `sha256:${string}`),
);
const Index = v.object({
  manifests: v.array(
    v.object({
      digest: DigestText,
      platform: v.optional(v.object({ os: v.string(), architecture: v.string() })),
    }),
  ),
});
const Manifest = v.object({ config: v.object({ digest: DigestText }) });

/**
 * The configuration of the image that a tag or digest names, of this platform where that is an index: what BuildKit answers to a
 * build that asks for it. Undefined when any of it is not there. Throws RegistryError.
 */
export async function imageConfiguration(
  registry: Registry,
  repository: RepositoryName,
  {
    name,
    platform,
    maxBytes,
    signal,
  }: {
    /** A tag or a digest. */
    readonly name: string;
    readonly platform: { readonly os: string; readonly architecture: string };
    readonly maxBytes: number;
    readonly signal: AbortSignal;
  },
): Promise<Uint8Array | undefined> {
  const wrong = (why: string, cause?: unknown) =>
    new RegistryError(
      "bad-answer",
      `"${repository.registry}/${repository.repository}" has something else at "${name}": ${why}`,
      { cause },
    );
  const named = await registry.manifest(repository, name, { signal });
  if (named === undefined) return undefined;
  const isIndex = /(?:image\.index\.v1|manifest\.list\.v2)\+json$/.test(named.mediaType);
  let { bytes } = named;
  if (isIndex) {
    const { manifests } = conform(Index, parseJson(bytes, wrong), wrong, "index");
    const chosen = manifests.find(
      (each) => each.platform?.os === platform.os && each.platform.architecture === platform.architecture,
    );
    const manifest = chosen && (await registry.manifest(repository, chosen.digest, { signal }));
    if (manifest === undefined) return undefined;
    ({ bytes } = manifest);
  }
  const { config } = conform(Manifest, parseJson(bytes, wrong), wrong, "manifest");
  const configuration = await registry.blob(repository, config.digest, { signal, maxBytes });
  if (configuration !== undefined && sha256(configuration) !== config.digest)
    throw wrong("a configuration is not its digest");
  return configuration;
}

// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** One blob that another one names. */
interface Descriptor {
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: { readonly architecture: string };
}

/** An image in a directory of the OCI image layout, as `--output type=oci,tar=false` writes it. */
export interface BuiltImage {
  /** The manifest's text: it has the digests of the configuration and of every layer in it. */
  readonly manifest: string;
  readonly config: unknown;
  readonly layers: readonly string[];
  /** The attestations' predicate types, and their statements' texts. */
  readonly attestations: readonly { readonly type: string; readonly text: string }[];
}

/** Reads the one image of a layout. */
export async function readLayout(directory: string): Promise<BuiltImage> {
  const blob = async (digest: string) => {
    const [algorithm = "", hex = ""] = digest.split(":");
    return readFile(join(directory, "blobs", algorithm, hex), "utf8");
  };
  let listed = manifestsOf(await readFile(join(directory, "index.json"), "utf8"));
  // With attestations the layout's index names an index of the image's own.
  const [top] = listed;
  const inner = top === undefined ? "{}" : await blob(top.digest);
  if ("manifests" in (JSON.parse(inner) as object)) listed = manifestsOf(inner);

  const image = listed.find(({ platform }) => platform?.architecture !== "unknown");
  if (image === undefined) throw new Error(`no image in ${directory}`);
  const manifest = await blob(image.digest);
  const { config, layers } = JSON.parse(manifest) as { config: Descriptor; layers: readonly Descriptor[] };
  const attested = listed.filter(({ platform }) => platform?.architecture === "unknown");
  const statements = await Promise.all(attested.map(async ({ digest }) => layersOf(await blob(digest))));
  return {
    manifest,
    config: JSON.parse(await blob(config.digest)) as unknown,
    layers: layers.map(({ digest }) => digest),
    attestations: await Promise.all(
      statements.flat().map(async ({ digest, annotations }) => ({
        type: annotations?.["in-toto.io/predicate-type"] ?? "",
        text: await blob(digest),
      })),
    ),
  };
}

function manifestsOf(text: string): readonly Descriptor[] {
  return (JSON.parse(text) as { readonly manifests: readonly Descriptor[] }).manifests;
}

function layersOf(text: string): readonly Descriptor[] {
  return (JSON.parse(text) as { readonly layers: readonly Descriptor[] }).layers;
}

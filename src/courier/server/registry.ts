// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../../log/excerpt.ts";
import { mediaTypeOf } from "./http.ts";
import { MAX_MANIFEST_BYTES } from "../protocol.ts";
import { askRegistry, RegistryError, type RepositoryAddress } from "./registry-question.ts";

/** The tag, or the digest, whose manifest is asked for. */
export interface TagAddress extends RepositoryAddress {
  readonly tag: string;
}

/** The blob that is asked for: a layer, a configuration, an attestation. */
export interface BlobAddress extends RepositoryAddress {
  readonly digest: string;
  /** The largest one that is read, in bytes. */
  readonly maxBytes: number;
}

/** A manifest or index, byte for byte as it was served. */
export interface Manifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

const MEDIA_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

/** The manifest that the registry serves everybody under this tag or digest. Throws RegistryError and HttpError. */
export async function fetchManifest(address: TagAddress, signal: AbortSignal): Promise<Manifest> {
  const { registry, repository, tag } = address;
  const question = {
    address,
    path: `manifests/${tag}`,
    name: `"${registry}/${repository}${tag.includes(":") ? "@" : ":"}${tag}"`,
    accept: MEDIA_TYPES.join(", "),
    maxBytes: MAX_MANIFEST_BYTES,
  };
  const { answer, what } = await askRegistry(question, signal);
  const mediaType = mediaTypeOf(answer);
  if (!MEDIA_TYPES.includes(mediaType)) {
    throw new RegistryError(
      "bad-answer",
      `${what}: media type "${excerpt(mediaType)}" is no image manifest or index; it begins "${excerpt(answer.bytes)}"`,
    );
  }
  return { bytes: answer.bytes, mediaType };
}

/** A blob that the registry, or the storage it points to, serves everybody. Throws RegistryError and HttpError. */
export async function fetchBlob(address: BlobAddress, signal: AbortSignal): Promise<Buffer> {
  const { registry, repository, digest, maxBytes } = address;
  const question = {
    address,
    path: `blobs/${digest}`,
    name: `"${registry}/${repository}@${digest}" (a blob)`,
    accept: "*/*",
    maxBytes,
  };
  return (await askRegistry(question, signal)).answer.bytes;
}

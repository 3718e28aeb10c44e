// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../../log/excerpt.ts";
import { Failure } from "./failure.ts";

/** Where a repository is, and how it is asked. */
export interface RepositoryAddress {
  /** As in a reference: `docker.io`, `localhost:5000`. */
  readonly registry: string;
  readonly repository: string;
  /** Whether this registry is asked over http instead of https. */
  readonly plainHttp: boolean;
}

/** The media types of image manifests and indexes. */
export const MANIFEST_TYPES: readonly string[] = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

const HOST = /^(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*$/;
const PATH =
  /^(?:tags\/list|blobs\/uploads\/|(?:manifests|blobs)\/(?:\w[\w.-]{0,127}|sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}))$/;

/**
 * The URL of one thing of a repository: `path` is what stands behind the repository's URL, `manifests/3.16.0`, and `name` is how
 * messages name it. Throws Failure `refused`.
 */
export function urlIn(
  address: RepositoryAddress,
  { path, name }: { readonly path: string; readonly name: string },
): URL {
  // Whatever else these hold would become another path or host.
  if (!HOST.test(address.registry) || !REPOSITORY.test(address.repository) || !PATH.test(path)) {
    throw new Failure("refused", `${excerpt(name, 200)} is not the name of anything in a registry`);
  }
  return new URL(path, registryUrl(address));
}

/** The URL of everything in a repository. Throws Failure `refused`. */
export function registryUrl({ registry, repository, plainHttp }: RepositoryAddress): URL {
  const host = registry === "docker.io" || registry === "index.docker.io" ? "registry-1.docker.io" : registry;
  const url = HOST.test(host)
    ? URL.parse(`${plainHttp ? "http" : "https"}://${host}/v2/${repository}/`)
    : null;
  if (url !== null) return url;
  throw new Failure("refused", `"${excerpt(registry)}" is not the name of anything in a registry`);
}

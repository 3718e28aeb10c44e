// SPDX-License-Identifier: Apache-2.0

/** The host by which Docker Hub's images are named, and those that lead to the same registry. */
export const DOCKER_HUB = "docker.io";
const DOCKER_HUB_ALIASES = new Set([
  DOCKER_HUB,
  "index.docker.io",
  "registry.docker.io",
  "registry-1.docker.io",
  "registry.hub.docker.com",
]);

/**
 * The one name of a registry's host, whatever it was written as: small letters, no default port, IP addresses and
 * international names as the URL standard writes them, Docker Hub as `docker.io`. By it rules are found, tags are recorded and
 * lock files are kept; the registry itself is asked by the name that was written.
 */
export function canonicalRegistry(host: string): string {
  // A host with a default port is the same place; the URL standard says so of 443.
  const text = URL.parse(`https://${host}`)?.host ?? host.toLowerCase();
  return DOCKER_HUB_ALIASES.has(text) ? DOCKER_HUB : text;
}

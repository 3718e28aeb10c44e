// SPDX-License-Identifier: Apache-2.0
import ipaddr from "ipaddr.js";

/** The host by which Docker Hub's images are named. */
export const DOCKER_HUB = "docker.io";
/** The hosts that lead to it. */
export const DOCKER_HUB_ALIASES: readonly string[] = [
  DOCKER_HUB,
  "index.docker.io",
  "registry.docker.io",
  "registry-1.docker.io",
  "registry.hub.docker.com",
];

/**
 * The one name of a registry's host, whatever it was written as: small letters, no default port, IP addresses and
 * international names as the URL standard writes them, Docker Hub as `docker.io`. By it rules are found, tags are recorded and
 * lock files are kept; the registry itself is asked by the name that was written.
 */
export function canonicalRegistry(host: string): string {
  // A host with a default port is the same place; the URL standard says so of 443.
  const text = URL.parse(`https://${host}`)?.host ?? host.toLowerCase();
  return DOCKER_HUB_ALIASES.includes(text) ? DOCKER_HUB : text;
}

/**
 * Top-level domains that lead to nobody on the public internet: those that are reserved (IANA, special-use domain names; ICANN,
 * internal and the never delegated ones), and those that are in use inside networks all the same.
 */
const NOT_PUBLIC = new Set(
  (
    "alt arpa example internal invalid local localhost onion test " +
    "corp home mail " +
    "cluster consul docker intranet lan localdomain private svc"
  ).split(" "),
);

/**
 * Whether a registry's host is a name of the public internet: an address or a domain that is the same place for everybody. Of
 * any other, what it has and what it is called is nobody's business, and `localhost` is another place on each machine.
 */
export function isPublicRegistry(host: string): boolean {
  const name = hostname(host);
  if (ipaddr.isValid(name)) return isPublicAddress(name);
  const labels = name.split(".");
  return labels.length > 1 && !NOT_PUBLIC.has(labels.at(-1) ?? "");
}

/** Whether a registry's host is this machine, whichever that is. */
export function isLoopbackRegistry(host: string): boolean {
  const name = hostname(host);
  if (ipaddr.isValid(name)) return ipaddr.process(name).range() === "loopback";
  return name === "localhost" || name.endsWith(".localhost");
}

/** Whether an IP address is one of the public internet, and not private, link-local, or of another special range (IANA). */
export function isPublicAddress(address: string): boolean {
  // One of IPv4 in the clothes of IPv6 is that of IPv4.
  return ipaddr.process(address).range() === "unicast";
}

/** Without the port and the brackets of IPv6. */
function hostname(host: string): string {
  return canonicalRegistry(host)
    .replace(/:\d+$/, "")
    .replace(/^\[(.*)\]$/, "$1");
}

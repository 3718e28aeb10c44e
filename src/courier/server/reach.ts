// SPDX-License-Identifier: Apache-2.0
import { lookup as lookUp, type LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { canonicalRegistry, DOCKER_HUB, isPublicAddress, isPublicRegistry } from "../../image/registry.ts";
import { type Connections, NotPublicError, openConnections } from "./http.ts";

/** The one host that gives tokens for Docker Hub. */
const DOCKER_HUB_REALM = "auth.docker.io";

/** The most hosts that one registry may lead to. */
const MAX_TARGETS = 1_000;

/** The addresses of a name; rejects when it has none. */
export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>;

/**
 * The hosts that one question may reach: the registry, and what its answers lead to. Of a registry on the public internet
 * these are on the public internet too, by their names and by the addresses that are connected to. Behind a proxy, which
 * looks up names itself, the names alone are looked at.
 */
export interface Reach {
  readonly connections: Connections;
  /** Why this URL, to which an answer of the registry leads, is not asked; undefined when it may be. */
  readonly objection: (next: URL) => string | undefined;
  /** The same of the URL that gives tokens. */
  readonly realmObjection: (realm: URL) => string | undefined;
  close(): void;
}

/** What a registry's question may reach; `start` is its URL. */
export function openReach(
  { registry, isPublicWanted, start }: { registry: string; isPublicWanted: boolean; start: URL },
  resolve: Resolve = resolveName,
): Reach {
  // By its name, and then by the first addresses that are found for it: what its DNS server says later is no reason to
  // look behind our own firewall for it.
  let isPublic = isPublicRegistry(registry);
  let isKnown = false;
  const targets = new Set([start.hostname]);

  const addressesOf = async (hostname: string): Promise<readonly LookupAddress[]> => {
    const found = await resolve(hostname);
    // Such as a proxy.
    if (!targets.has(hostname)) return found;
    const open = found.filter(({ address }) => isPublicAddress(address));
    if (hostname === start.hostname && !isKnown) {
      isKnown = true;
      isPublic &&= open.length > 0;
    }
    if (!isPublic && !isPublicWanted) return found;
    if (open.length === 0) throw new NotPublicError(hostname);
    return open;
  };
  const lookup: LookupFunction = (hostname, { all }, callback) => {
    addressesOf(hostname).then(
      (addresses) => {
        const [first] = addresses;
        if (all === true) callback(null, [...addresses]);
        else callback(null, first?.address ?? "", first?.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, ""),
    );
  };
  const objection = (next: URL): string | undefined => {
    if (next.username !== "" || next.password !== "") return "which is not asked: it has credentials in it";
    const isSecure =
      next.protocol === "https:" || (start.protocol === "http:" && next.origin === start.origin);
    if (!isSecure) return "which is not asked: it is not https";
    if (isPublic && next.origin !== start.origin && !isPublicRegistry(next.host))
      return "which is not asked: it is not on the public internet, and the registry is";
    if (targets.size >= MAX_TARGETS && !targets.has(next.hostname))
      return `which is not asked: the registry led to ${MAX_TARGETS - 1} other hosts before`;
    targets.add(next.hostname);
    return undefined;
  };

  const connections = openConnections(lookup);
  return {
    connections,
    close: connections.close,
    objection,
    realmObjection(realm) {
      if (canonicalRegistry(registry) === DOCKER_HUB && realm.host !== DOCKER_HUB_REALM)
        return `which is not asked: Docker Hub's tokens come from "${DOCKER_HUB_REALM}"`;
      return objection(realm);
    },
  };
}

function resolveName(hostname: string): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) => {
    lookUp(hostname, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)));
  });
}

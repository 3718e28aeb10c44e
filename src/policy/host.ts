// SPDX-License-Identifier: Apache-2.0
import { parseReference } from "../image/reference.ts";
import type { RegistryAccess } from "./settings.ts";

/** A host and its port, apart; `[…]` around an IPv6 address taken off. */
function splitHost(host: string): { name: string; port: string | undefined } {
  const [, bracketed, name, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::([0-9]+))?$/.exec(host) ?? [];
  return { name: bracketed ?? name ?? host, port };
}

/** Whether `host[:port]` is this machine itself: `localhost`, `::1` or an address in 127.0.0.0/8 written in full. */
function isLoopback(host: string): boolean {
  const { name } = splitHost(host.toLowerCase());
  if (name === "localhost" || name === "::1") return true;
  const parts = name.split(".");
  return (
    parts.length === 4 &&
    parts[0] === "127" &&
    parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)
  );
}

/**
 * The one spelling of a registry's host, or why the text is none: `host[:port]` as in image references, in lower
 * case; Docker Hub's old name becomes `docker.io`.
 */
export function readRegistryHost(text: string): { readonly host: string } | { readonly problem: string } {
  if (text.includes("://")) return { problem: 'write the host alone, without "http://"' };
  if (text.includes("/")) return { problem: "write the host alone, without a path" };
  let host: string;
  try {
    host = parseReference(`${text}/x`).registry;
  } catch {
    return { problem: 'it is not a host with an optional port, as in "registry.example.org:5000"' };
  }
  if (host !== text && text !== "index.docker.io") {
    return {
      problem: `in an image reference that is no host but a path; write it with its port, as in "${text}:5000"`,
    };
  }
  const { port } = splitHost(host);
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) {
    return { problem: "its port is not between 1 and 65535" };
  }
  return { host: host.toLowerCase() };
}

/** Whether this `host[:port]` may be asked without TLS: it is this machine, or one of the registries that are. */
export function mayUsePlainHttp(host: string, registries: readonly RegistryAccess[]): boolean {
  const name = host.toLowerCase();
  return isLoopback(name) || registries.some((registry) => registry.plainHttp && registry.host === name);
}

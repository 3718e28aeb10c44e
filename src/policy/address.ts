// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { parseReference } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import { WrongValue } from "./near-miss.ts";
import type { KeyPath } from "./policy-error.ts";
import { flag, text as words } from "./schema.ts";

/** An entry of `registries`. */
export const REGISTRY = {
  host: words("with its port, as in image references"),
  "plain-http": v.optional(flag("whether it, or a log at this host, may be asked without TLS")),
};

/** How one registry is reached. */
export interface RegistryAccess {
  /** `host[:port]` in lower case, as in references. */
  readonly host: string;
  readonly plainHttp: boolean;
}

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

const MAX_LENGTH = 2_048;
const MAX_HOSTS = 100;
const DEFAULT_PORT = "80";

/** The hosts by which a `http:` URL may be allowed: as written, and with its port when that is the usual one. */
function hostsOf(url: URL): string[] {
  return url.port === "" ? [`${url.hostname}:${DEFAULT_PORT}`, url.hostname] : [url.host];
}

type Outcome = { readonly url: string } | { readonly problem: string };

/**
 * The address of a log, a certificate authority or a TUF repository, without a slash at its end, or why the text is
 * none: https, or http where `allowsPlainHttp` lets the host; no credentials, query or fragment.
 */
export function readLogUrl(text: string, allowsPlainHttp: (host: string) => boolean): Outcome {
  const outcome = readServiceUrl(text, allowsPlainHttp);
  return "url" in outcome ? { url: outcome.url.replace(/\/+$/, "") } : outcome;
}

/** The whole address of a service that is asked at this very path, such as a timestamp authority; or why it is none. */
export function readServiceUrl(text: string, allowsPlainHttp: (host: string) => boolean): Outcome {
  if (text.length > MAX_LENGTH) return { problem: `it is longer than ${MAX_LENGTH} characters` };
  // URL itself would silently drop or turn these.
  if (/[\s\\\p{Cc}]/u.test(text)) return { problem: "it has a blank, a backslash or a control character" };
  const url = URL.parse(text);
  if (
    url === null ||
    (url.protocol !== "https:" && url.protocol !== "http:") ||
    !/^https?:\/\//i.test(text)
  ) {
    return { problem: 'it is not a URL that begins with "https://"' };
  }
  if (text.includes("@")) return { problem: 'it has credentials, or an "@"; it is asked without any' };
  if (text.includes("?") || text.includes("#")) return { problem: "it has a query or a fragment" };
  if (url.protocol === "http:" && !hostsOf(url).some(allowsPlainHttp)) {
    return {
      problem: `plain http is for loopback and for hosts named in "registries" with "plain-http: true"; use https, or name "${url.host}" there`,
    };
  }
  return { url: `${url.origin}${url.pathname}` };
}

/** A URL fit for a message: what stands before an `@` may be a password. */
export function shownUrl(text: string): string {
  const at = text.lastIndexOf("@");
  return excerpt(at < 0 ? text : `…${text.slice(at)}`, 160);
}

/** The one spelling of a log's address in which two of them are compared. */
export function plainUrl(url: string): string {
  const parsed = URL.parse(url);
  return (parsed === null ? url : `${parsed.origin}${parsed.pathname}`).replace(/\/+$/, "");
}

/** The registries of a file, whose hosts are needed before any address is read. */
export function readRegistries(
  entries: readonly { readonly host: string; readonly "plain-http"?: boolean | undefined }[],
  wrong: (path: KeyPath, why: string) => void,
): readonly RegistryAccess[] {
  const access: RegistryAccess[] = [];
  for (const [index, entry] of entries.entries()) {
    const outcome = readRegistryHost(entry.host);
    if ("problem" in outcome) wrong([index, "host"], `"${excerpt(entry.host)}": ${outcome.problem}`);
    else if (access.some(({ host }) => host === outcome.host))
      wrong([index, "host"], `"${outcome.host}" is there twice`);
    else access.push({ host: outcome.host, plainHttp: entry["plain-http"] ?? false });
  }
  return access;
}

/** The hosts that a build argument names, between commas. Throws WrongValue. */
export function readHosts(value: string): readonly RegistryAccess[] {
  const hosts = value.split(",").map((each) => each.trim());
  if (hosts.length > MAX_HOSTS) throw new WrongValue(`it names more than ${MAX_HOSTS} hosts`);
  return hosts.map((text) => {
    const outcome = readRegistryHost(text);
    if ("problem" in outcome) throw new WrongValue(`"${excerpt(text)}": ${outcome.problem}`);
    return { host: outcome.host, plainHttp: true };
  });
}

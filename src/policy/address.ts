// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { ImageReferenceError, parseReference } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import { type FileReading, flag, type ReadUrl, type Shape, text as words } from "./key.ts";
import { WrongValue } from "./policy-error.ts";

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
 * The one spelling of a registry's host: `host[:port]` as in image references, in lower case; Docker Hub's old name
 * becomes `docker.io`. Throws WrongValue.
 */
export function readRegistryHost(text: string): string {
  const wrong = (why: string) => new WrongValue(`"${excerpt(text)}": ${why}`);
  if (text.includes("://")) throw wrong('write the host alone, without "http://"');
  if (text.includes("/")) throw wrong("write the host alone, without a path");
  let host: string;
  try {
    host = parseReference(`${text}/x`).registry;
  } catch (error) {
    if (!(error instanceof ImageReferenceError)) throw error;
    throw wrong('it is not a host with an optional port, as in "registry.example.org:5000"');
  }
  if (host !== text && text !== "index.docker.io") {
    throw wrong(
      `in an image reference that is no host but a path; write it with its port, as in "${text}:5000"`,
    );
  }
  const { port } = splitHost(host);
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))
    throw wrong("its port is not between 1 and 65535");
  return host.toLowerCase();
}

/** Whether this `host[:port]` may be asked without TLS: it is this machine, or one of the registries that are. */
export function mayUsePlainHttp(host: string, registries: readonly RegistryAccess[]): boolean {
  const name = host.toLowerCase();
  return isLoopback(name) || registries.some((registry) => registry.plainHttp && registry.host === name);
}

/** Who names hosts for plain http to a build. */
const BY_BAKED_POLICY = " by the policy in the frontend image";
const MAX_LENGTH = 2_048;
const MAX_HOSTS = 100;

/** The hosts by which a `http:` URL may be allowed: as written, and with its port when that is the usual one. */
function hostsOf(url: URL): string[] {
  return url.port === "" ? [`${url.hostname}:80`, url.hostname] : [url.host];
}

/**
 * The address of a log, a certificate authority or a TUF repository, without a slash at its end: https, or http where
 * `allowsPlainHttp` lets the host; no credentials, query or fragment. Throws WrongValue.
 */
export const readLogUrl: ReadUrl = (text, allowsPlainHttp, by) =>
  readServiceUrl(text, allowsPlainHttp, by).replace(/\/+$/, "");

/** The whole address of a service that is asked at this very path, such as a timestamp authority. Throws WrongValue. */
export const readServiceUrl: ReadUrl = (text, allowsPlainHttp, by = BY_BAKED_POLICY) => {
  const wrong = (why: string) => new WrongValue(`"${shownUrl(text)}": ${why}`);
  if (text.length > MAX_LENGTH) throw wrong(`it is longer than ${MAX_LENGTH} characters`);
  // URL itself would silently drop or turn these.
  if (/[\s\\\p{Cc}]/u.test(text)) throw wrong("it has a blank, a backslash or a control character");
  const url = /^https?:\/\//i.test(text) ? URL.parse(text) : null;
  if (url === null) throw wrong('it is not a URL that begins with "https://"');
  if (text.includes("@")) throw wrong('it has credentials, or an "@"; it is asked without any');
  if (text.includes("?") || text.includes("#")) throw wrong("it has a query or a fragment");
  if (url.protocol === "http:" && !hostsOf(url).some(allowsPlainHttp)) {
    throw wrong(
      `plain http is for loopback and for hosts named in "registries" with "plain-http: true"${by}; use https, or name "${url.host}" there`,
    );
  }
  return `${url.origin}${url.pathname}`;
};

/** A URL fit for a message: what stands before an `@` may be a password. */
function shownUrl(text: string): string {
  const at = text.lastIndexOf("@");
  return excerpt(at < 0 ? text : `…${text.slice(at)}`, 160);
}

/** The registries of a file, whose hosts are needed before any address is read. */
export function readRegistries(
  entries: readonly Shape<typeof REGISTRY>[],
  { at, attempt }: Pick<FileReading, "at" | "attempt">,
): readonly RegistryAccess[] {
  const access: RegistryAccess[] = [];
  for (const [index, entry] of entries.entries()) {
    attempt([...at, index, "host"], () => {
      const host = readRegistryHost(entry.host);
      if (access.some((each) => each.host === host)) throw new WrongValue(`"${host}" is there twice`);
      access.push({ host, plainHttp: entry["plain-http"] ?? false });
    });
  }
  return access;
}

/** The hosts that a build argument names, between commas. Throws WrongValue. */
export function readHosts(value: string): readonly RegistryAccess[] {
  const hosts = value.split(",").map((each) => each.trim());
  if (hosts.length > MAX_HOSTS) throw new WrongValue(`it names more than ${MAX_HOSTS} hosts`);
  return hosts.map((text) => ({ host: readRegistryHost(text), plainHttp: true }));
}

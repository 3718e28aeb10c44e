// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../log/excerpt.ts";

const MAX_LENGTH = 2_048;
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

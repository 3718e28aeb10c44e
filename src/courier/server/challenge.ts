// SPDX-License-Identifier: Apache-2.0

/** What a registry wants a token for (the token authentication of the distribution specification). */
export interface BearerChallenge {
  readonly realm: string;
  readonly service?: string | undefined;
  readonly scope?: string | undefined;
}

// A scheme (no `=`) or a parameter, RFC 9110 section 11.
const PART = /[\s,]*([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/y;

/** The first Bearer challenge with a realm in a WWW-Authenticate header; undefined when there is none. */
export function bearerChallenge(header: string): BearerChallenge | undefined {
  const parts = new RegExp(PART);
  let inBearer = false;
  const parameters = new Map<string, string>();
  for (let part = parts.exec(header); part !== null; part = parts.exec(header)) {
    const name = (part[1] ?? "").toLowerCase();
    const value = part[2]?.replace(/\\(.)/g, "$1") ?? part[3];
    if (value === undefined) {
      if (parameters.has("realm")) break;
      inBearer = name === "bearer";
      parameters.clear();
    } else if (inBearer && !parameters.has(name)) {
      parameters.set(name, value);
    }
  }
  const realm = parameters.get("realm");
  if (realm === undefined) return undefined;
  return { realm, service: parameters.get("service"), scope: parameters.get("scope") };
}

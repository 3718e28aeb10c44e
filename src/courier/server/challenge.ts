// SPDX-License-Identifier: Apache-2.0
import { fieldsIn } from "./json-fields.ts";

/** What a registry wants a token for (the token authentication of the distribution specification). */
export interface BearerChallenge {
  readonly realm: string;
  readonly service?: string | undefined;
  readonly scope?: string | undefined;
}

/** The largest answer of a server that gives tokens, in bytes. */
export const MAX_TOKEN_BYTES = 64 * 1024;

// A scheme (no `=`) or a parameter, RFC 9110 section 11.
const CHALLENGE_PART = /[\s,]*([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/y;

/** The first Bearer challenge with a realm in a WWW-Authenticate header; undefined when there is none. */
export function bearerChallenge(header: string): BearerChallenge | undefined {
  for (const { scheme, parameters } of challengesIn(header)) {
    const realm = parameters.get("realm");
    if (scheme === "bearer" && realm !== undefined)
      return { realm, service: parameters.get("service"), scope: parameters.get("scope") };
  }
  return undefined;
}

/** Whether a WWW-Authenticate header asks for a name and a password. */
export function isPasswordWanted(header: string): boolean {
  return challengesIn(header).some(({ scheme }) => scheme === "basic");
}

/** The token in an answer; undefined when there is none that may stand in a header. */
export function tokenIn(bytes: Buffer): string | undefined {
  const answer = fieldsIn(bytes);
  const token = answer["token"] || answer["access_token"];
  // Only what may stand in a header; 8 KiB is what servers accept there.
  return typeof token === "string" && /^[\x21-\x7e]{1,8192}$/.test(token) ? token : undefined;
}

interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** By their names in lower case; the first of each. */
  readonly parameters: Map<string, string>;
}

function challengesIn(header: string): readonly Challenge[] {
  const parts = new RegExp(CHALLENGE_PART);
  const challenges: Challenge[] = [];
  for (let part = parts.exec(header); part !== null; part = parts.exec(header)) {
    const name = (part[1] ?? "").toLowerCase();
    const value = part[2]?.replace(/\\(.)/g, "$1") ?? part[3];
    const parameters = challenges.at(-1)?.parameters;
    if (value === undefined) challenges.push({ scheme: name, parameters: new Map() });
    else if (parameters?.has(name) === false) parameters.set(name, value);
  }
  return challenges;
}

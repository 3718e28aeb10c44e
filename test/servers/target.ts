// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { logUrl } from "../../src/log/json-api.ts";
import { parseTrustedRoot, type TrustedRoot } from "../../src/trust/trusted-root.ts";
import { type Claims, GOOGLE, identityToken } from "../sigstore/identity-token.ts";
import { signingConfig } from "../sigstore/signing-config.ts";
import type { Sigstore } from "../sigstore/sigstore.ts";
import type { SigstorePlace } from "./real-sigstore.ts";

/** The two APIs of logs. */
export type LogApi = "v1" | "v2";

/** A Sigstore that is tested, real or not, known by nothing but its URLs and its trusted root. */
export interface Target {
  readonly name: string;
  readonly place: Omit<SigstorePlace, "trustedRoot" | "issuer" | "jobIssuer">;
  /** The v1 log. */
  readonly log: URL;
  readonly trustedRoot: TrustedRoot;
  /** The same as a file for other tools. */
  readonly trustedRootFile: string;
  /** A file that tells other tools to write to the log of this API. */
  signingConfigFile(api: LogApi): string;
  /** An issuer of identity tokens that the certificate authority knows. */
  readonly issuer: string;
  /** A token of that issuer's, for `SOMEBODY` unless the claims say otherwise. */
  token(claims?: Claims): Promise<string>;
  /** A directory for the tests of this target. */
  readonly directory: string;
}

/** What a log answered. */
export interface LogAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** The JSON value, or the text of another type. */
  readonly body: unknown;
}

/** Where a target keeps its files, and how it is called. */
export interface TargetHome {
  readonly name: string;
  readonly directory: string;
}

/** Whom tokens are for that say nothing else. */
export const SOMEBODY = "ci@acme.example";

/** The real Sigstore as a target. */
export function realTarget(place: SigstorePlace, home: TargetHome): Target {
  const token = async (claims: Claims = {}) => {
    const person = { sub: "1234567890", email: SOMEBODY, email_verified: true, ...claims };
    const query = new URLSearchParams({ claims: JSON.stringify(person) });
    return (await fetch(`${place.issuer}/token?${query}`)).text();
  };
  return targetOf(place, { ...home, issuer: place.issuer, token });
}

/** The development Sigstore as a target. */
export function developmentTarget(sigstore: Sigstore, home: TargetHome): Target {
  const { url, trustedRoot } = sigstore;
  const place = {
    rekorV1: url,
    rekorV2: url,
    fulcio: url,
    timestamp: `${url}/api/v1/timestamp`,
    trustedRoot,
  };
  return targetOf(place, { ...home, issuer: GOOGLE, token: async (claims) => identityToken(claims) });
}

function targetOf(
  { trustedRoot, ...place }: Omit<SigstorePlace, "issuer" | "jobIssuer">,
  { name, directory, issuer, token }: TargetHome & Pick<Target, "issuer" | "token">,
): Target {
  const write = (file: string, value: object) => {
    const path = join(directory, file);
    writeFileSync(path, JSON.stringify(value));
    return path;
  };
  const { rekorV1, rekorV2, ...others } = place;
  const trustedRootFile = write("trusted_root.json", trustedRoot);
  const files = {
    v1: write("signing_config.v1.json", signingConfig({ rekorV1, ...others })),
    v2: write("signing_config.v2.json", signingConfig({ rekorV2, ...others })),
  };
  return {
    name,
    place,
    log: logUrl(rekorV1),
    trustedRoot: parseTrustedRoot(JSON.stringify(trustedRoot), trustedRootFile),
    trustedRootFile,
    signingConfigFile: (api) => files[api],
    issuer,
    token,
    directory,
  };
}

/** How to ask. */
export interface Asking {
  readonly body?: unknown;
  readonly type?: string;
}

/** Asks the v1 log with no client of ours in between. */
export function ask(
  { place }: { readonly place: Pick<Target["place"], "rekorV1"> },
  method: "GET" | "POST",
  path: string,
  asking: Asking = {},
): Promise<LogAnswer> {
  return askAt(`${place.rekorV1}${path}`, method, asking);
}

/** The same of the v2 log. */
export function askV2({ place }: Target, method: "GET" | "POST", path: string, asking: Asking = {}) {
  return askAt(`${place.rekorV2}${path}`, method, asking);
}

/** Asks whatever is at this URL. */
export async function askAt(
  url: string,
  method: "GET" | "POST",
  { body, type = "application/json" }: Asking = {},
): Promise<LogAnswer> {
  const response = await fetch(url, {
    method,
    ...(body === undefined ? {} : { headers: { "content-type": type } }),
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  return {
    status: response.status,
    headers: response.headers,
    body: isJson && text !== "" ? (JSON.parse(text) as unknown) : text,
  };
}

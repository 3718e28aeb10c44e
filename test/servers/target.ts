// SPDX-License-Identifier: Apache-2.0
import { createHash, createPublicKey } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { logUrl } from "../../src/log/json-api.ts";
import { parseTrustedRoot, type TrustedRoot } from "../../src/record/trusted-root.ts";

/** A Rekor v1 log that is tested, real or not, known by nothing but its URL. */
export interface Target {
  readonly name: string;
  readonly url: string;
  readonly log: URL;
  readonly trustedRoot: TrustedRoot;
  /** The same as a file for other tools. */
  readonly trustedRootFile: string;
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

/** A target whose log is trusted by the key that it says is its own. */
export async function targetAt(
  url: string,
  { name, directory }: { readonly name: string; readonly directory: string },
): Promise<Target> {
  const pem = await (await fetch(`${url}/api/v1/log/publicKey`)).text();
  const root = JSON.stringify(rootOf(url, pem));
  const trustedRootFile = join(directory, "trusted_root.json");
  writeFileSync(trustedRootFile, root);
  const trustedRoot = parseTrustedRoot(root, trustedRootFile);
  return { name, url, log: logUrl(url), trustedRoot, trustedRootFile, directory };
}

/** Asks the log with no client of ours in between. */
export async function ask(
  { url }: Pick<Target, "url">,
  method: "GET" | "POST",
  path: string,
  { body, type = "application/json" }: { readonly body?: unknown; readonly type?: string } = {},
): Promise<LogAnswer> {
  const response = await fetch(`${url}${path}`, {
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

/** A trusted root (Sigstore's JSON form) with this log alone. */
function rootOf(url: string, pem: string): object {
  const der = createPublicKey(pem).export({ type: "spki", format: "der" });
  return {
    mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    tlogs: [
      {
        baseUrl: url,
        hashAlgorithm: "SHA2_256",
        publicKey: {
          rawBytes: der.toString("base64"),
          keyDetails: "PKIX_ECDSA_P256_SHA_256",
          validFor: { start: "2020-01-01T00:00:00Z" },
        },
        logId: { keyId: createHash("sha256").update(der).digest("base64") },
      },
    ],
  };
}

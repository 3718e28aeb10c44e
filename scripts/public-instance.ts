// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { PublicKeyDetails, type TimeRange, TrustedRoot } from "@sigstore/protobuf-specs";

/** The TUF repository of the public Sigstore instance: the one choice that is made here, the rest follows from it. */
const REPOSITORY = "https://tuf-repo-cdn.sigstore.dev";

/**
 * What a frontend ships to work with the public Sigstore instance, by file name. All of it comes from the seeds in
 * `@sigstore/tuf`, which are that repository's files as they were when the package was made.
 *
 * - `tuf_root.json`: the root of the repository, byte for byte
 * - `tuf_mirror.json`: where the repository is, `{"mirror": URL}`
 * - `trusted_root.json`: the repository's target of this name, byte for byte
 * - `signing_config.json`: made here, out of the trusted root. The repository has a target
 *   `signing_config.v0.2.json`, and the seeds do not
 */
export function publicInstanceFiles(): Readonly<Record<string, string>> {
  const path = createRequire(import.meta.url).resolve("@sigstore/tuf/seeds.json");
  const seeds = JSON.parse(readFileSync(path, "utf8")) as Readonly<
    Record<string, { readonly "root.json": string; readonly targets: Readonly<Record<string, string>> }>
  >;
  const seed = seeds[REPOSITORY];
  const trustedRoot = seed?.targets["trusted_root.json"];
  if (seed === undefined || trustedRoot === undefined)
    throw new Error(`the seeds in "${path}" have no trusted_root.json of ${REPOSITORY}`);
  const text = (base64: string): string => Buffer.from(base64, "base64").toString("utf8");
  return {
    "tuf_root.json": text(seed["root.json"]),
    "tuf_mirror.json": `${JSON.stringify({ mirror: REPOSITORY })}\n`,
    "trusted_root.json": text(trustedRoot),
    "signing_config.json": `${JSON.stringify(signingConfig(TrustedRoot.fromJSON(JSON.parse(text(trustedRoot)))), undefined, 2)}\n`,
  };
}

/** The services that a trusted root speaks of, each for as long as its word is taken, as a Sigstore signing configuration. */
function signingConfig(root: TrustedRoot): object {
  const window = (validFor: TimeRange | undefined) => ({
    start: validFor?.start?.toISOString(),
    end: validFor?.end?.toISOString(),
  });
  return {
    mediaType: "application/vnd.dev.sigstore.signingconfig.v0.2+json",
    // `uri` of a certificate authority is its base URL, to which Fulcio's API adds its paths.
    caUrls: root.certificateAuthorities.map(({ uri, validFor, operator }) => ({
      url: uri,
      majorApiVersion: 1,
      validFor: window(validFor),
      operator,
    })),
    rekorTlogUrls: root.tlogs.map(({ baseUrl, publicKey, operator }) => ({
      url: baseUrl,
      majorApiVersion: rekorApi(baseUrl, publicKey?.keyDetails),
      validFor: window(publicKey?.validFor),
      operator,
    })),
    rekorTlogConfig: { selector: "ANY" },
    // `uri` of a timestamp authority is the whole URL that a request goes to, path included.
    tsaUrls: root.timestampAuthorities.map(({ uri, validFor, operator }) => ({
      url: uri,
      majorApiVersion: 1,
      validFor: window(validFor),
      operator,
    })),
    tsaConfig: { selector: "ANY" },
  };
}

/** A trusted root does not name the API. Of the public logs, Rekor v1 signs with ECDSA and the shards of v2 with Ed25519. */
function rekorApi(url: string, key: PublicKeyDetails | undefined): 1 | 2 {
  if (key === PublicKeyDetails.PKIX_ECDSA_P256_SHA_256) return 1;
  if (key === PublicKeyDetails.PKIX_ED25519) return 2;
  throw new Error(`the log ${url} has a key by which its API cannot be told`);
}

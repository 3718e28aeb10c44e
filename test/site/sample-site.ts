// SPDX-License-Identifier: Apache-2.0
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sha256 } from "../../src/image/digest.ts";
import { INDEX_MEDIA_TYPE, ledgerIndex, MANIFEST_MEDIA_TYPE, manifestOf } from "../../src/ledger/layout.ts";
import type { LedgerPlace } from "../../src/ledger/registry/kept-ledger.ts";
import { ledgerTrust } from "../../src/policy/ledgers.ts";
import type { TrustedSigner } from "../../src/record/signer.ts";
import { openOutput } from "../../src/site/output.ts";
import { makeSite, type SiteSource, type SiteSummary } from "../../src/site/site.ts";
import type { TrustedRoot } from "../../src/trust/trusted-root.ts";
import { REPOSITORY, type SampleLedger, TAGGED } from "../ledger/sample-ledger.ts";

/** A registry that has one ledger, read from memory without a server: a fake. */
export function ledgerPlace({ configurations }: Pick<SampleLedger, "configurations">): LedgerPlace {
  const manifests = new Map<string, { bytes: Uint8Array; mediaType: string }>();
  const blobs = new Map<string, Uint8Array>();
  const described = (configuration: Uint8Array) => {
    const bytes = manifestOf(configuration);
    const digest = sha256(bytes);
    manifests.set(digest, { bytes, mediaType: MANIFEST_MEDIA_TYPE });
    blobs.set(sha256(configuration), configuration);
    return { digest, size: bytes.length };
  };
  const all = [...configurations].map(([reference, bytes]) => ({ reference, ...described(bytes) }));
  const head = all.find(({ reference }) => reference === TAGGED);
  if (head === undefined) throw new Error("the sample has no head");
  const index = ledgerIndex({ head, shards: all.filter((each) => each !== head) });
  const unused = async () => {
    throw new Error("a site is only read");
  };
  return {
    repository: { registry: "ghcr.io", repository: "acme/tlog-ledger" },
    signal: new AbortController().signal,
    registry: {
      async *tags() {},
      head: unused,
      pushBlob: unused,
      pushManifest: unused,
      async manifest(_, name) {
        const found = name === "v1" ? { bytes: index, mediaType: INDEX_MEDIA_TYPE } : manifests.get(name);
        return found && { ...found, digest: sha256(found.bytes) };
      },
      blob: async (_, digest) => blobs.get(digest),
      openBlob: unused,
    },
  };
}

/** What makes a site of a sample. */
export function siteSource(
  ledger: Pick<SampleLedger, "configurations">,
  {
    observer,
    root,
    approvers = [],
    baseUrl,
  }: {
    readonly observer: TrustedSigner;
    readonly root: TrustedRoot;
    readonly approvers?: readonly TrustedSigner[];
    readonly baseUrl?: string;
  },
): SiteSource {
  return {
    place: ledgerPlace(ledger),
    ledger: REPOSITORY,
    observer,
    trust: ledgerTrust([{ repository: REPOSITORY, observer, approvers, maxAgeMs: 1 }]),
    trustedRoot: root,
    logs: undefined,
    baseUrl,
  };
}

/** Makes a site in a directory. */
export function makeIn(directory: string, source: SiteSource): Promise<SiteSummary> {
  return makeSite(source, openOutput(directory));
}

/** All files of a site, by their paths. */
export function filesOf(directory: string): ReadonlyMap<string, string> {
  const paths = globSync("**/*", { cwd: directory, withFileTypes: true }).filter((each) => each.isFile());
  return new Map(
    paths.map((each) => {
      const path = join(each.parentPath, each.name);
      return [path.slice(directory.length + 1), readFileSync(path, "utf8")];
    }),
  );
}

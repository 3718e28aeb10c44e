// SPDX-License-Identifier: Apache-2.0
import { json } from "@sigstore/core";
import * as v from "valibot";
import { type Digest, type Sha256, sha256 } from "../image/digest.ts";
import { DigestText } from "../record/manifest.ts";
import { conform, type Fail, parseJson } from "../log/foreign-json.ts";

// How a ledger lies in a registry: one tag names an OCI index, the index names an image that is the head and others that are
// the shards, and what these say is in their configurations, because that is what BuildKit reads out of a registry without
// fetching layers. docs/ledger.md is the specification.

/** The one tag of a ledger, which is the version of its format. */
export const LEDGER_TAG = "v1";
const VERSION = 1;

/** The largest configuration that is read or written, in bytes: BuildKit hands on 16 MiB in one message. */
export const MAX_PART_BYTES = 8 * 1024 * 1024;
/** The most shards of a ledger: an index that names them stays under what registries take, and a head reads in milliseconds. */
export const MAX_SHARDS = 1024;

export const INDEX_MEDIA_TYPE = "application/vnd.oci.image.index.v1+json";
export const MANIFEST_MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_MEDIA_TYPE = "application/vnd.oci.image.config.v1+json";
/** The OCI image specification's empty descriptor: some registries want a layer. */
export const EMPTY_BLOB = new TextEncoder().encode("{}");
const EMPTY_LAYER = {
  mediaType: "application/vnd.oci.empty.v1+json",
  digest: sha256(EMPTY_BLOB),
  size: EMPTY_BLOB.length,
};

/** The head's platform in the index, by which BuildKit is asked for it. */
export const HEAD_PLATFORM = { OS: "linux", Architecture: "amd64" } as const;

/** What a configuration has to say of a ledger; whatever else it has is of no matter here. */
export const ConfigurationShape = v.object({
  "tlog-ledger": v.object({
    version: v.number(),
    /** The head as a Sigstore bundle. A shard has none. */
    head: v.exactOptional(v.unknown()),
    text: v.string(),
  }),
});

/** What the configuration of a head or of a shard says. */
export interface LedgerPart {
  /** The parsed JSON of the head's bundle. */
  readonly head?: unknown;
  /** The lines, or the names of the shards. */
  readonly text: string;
}

/** The configuration of an image that carries this part. Equal parts give equal bytes. */
export function partConfiguration({ head, text }: LedgerPart): Uint8Array {
  return new TextEncoder().encode(
    json.canonicalize({
      architecture: HEAD_PLATFORM.Architecture,
      os: HEAD_PLATFORM.OS,
      config: {},
      rootfs: { type: "layers", diff_ids: [] },
      "tlog-ledger": { version: VERSION, ...(head !== undefined && { head }), text },
    }),
  );
}

/** Reads what a configuration says. Throws what `fail` makes. */
export function parseConfiguration(bytes: Uint8Array, fail: Fail): LedgerPart {
  if (bytes.length > MAX_PART_BYTES)
    throw fail(`it has ${bytes.length} bytes, and the limit is ${MAX_PART_BYTES}`);
  const { "tlog-ledger": part } = conform(ConfigurationShape, parseJson(bytes, fail), fail, "configuration");
  if (part.version !== VERSION)
    throw fail(
      `it is of version ${part.version} of the format, and this tlog-dockerfile reads version ${VERSION}; update it`,
    );
  return part;
}

/** The manifest of the image with this configuration: the only one that it has, so that either tells the other's digest. */
export function manifestOf(configuration: Uint8Array): Uint8Array {
  return new TextEncoder().encode(
    json.canonicalize({
      schemaVersion: 2,
      mediaType: MANIFEST_MEDIA_TYPE,
      config: {
        mediaType: CONFIG_MEDIA_TYPE,
        digest: sha256(configuration),
        size: configuration.length,
      },
      layers: [EMPTY_LAYER],
    }),
  );
}

/** An image's manifest as an index names it. */
export interface Described {
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
}

/** The index that a ledger's tag names. The shards are there so that no registry takes them for what nobody needs. */
export function ledgerIndex({
  head,
  shards,
}: {
  readonly head: Described;
  readonly shards: readonly Described[];
}): Uint8Array {
  const described = ({ digest, size }: Described, platform: object) => ({
    mediaType: MANIFEST_MEDIA_TYPE,
    digest,
    size,
    platform,
  });
  return new TextEncoder().encode(
    json.canonicalize({
      schemaVersion: 2,
      mediaType: INDEX_MEDIA_TYPE,
      manifests: [
        described(head, { os: HEAD_PLATFORM.OS, architecture: HEAD_PLATFORM.Architecture }),
        // As BuildKit names attestations: no machine has this platform, and every registry knows it.
        ...shards.map((shard) => described(shard, { os: "unknown", architecture: "unknown" })),
      ],
    }),
  );
}

const Index = v.object({
  manifests: v.pipe(
    v.array(
      v.object({
        digest: DigestText,
        size: v.number(),
        platform: v.object({ os: v.string(), architecture: v.string() }),
      }),
    ),
    v.minLength(1),
    v.maxLength(MAX_SHARDS + 1),
  ),
});

/** The manifests that an index names. Throws what `fail` makes. */
export function indexed(index: Uint8Array, fail: Fail): readonly Described[] {
  return conform(Index, parseJson(index, fail), fail, "index").manifests;
}

/** The digest of the head's manifest in an index. Throws what `fail` makes. */
export function headIn(index: Uint8Array, fail: Fail): Digest {
  const { manifests } = conform(Index, parseJson(index, fail), fail, "index");
  const head = manifests.find(
    ({ platform }) =>
      platform.os === HEAD_PLATFORM.OS && platform.architecture === HEAD_PLATFORM.Architecture,
  );
  if (head === undefined) throw fail("it names no head");
  return head.digest;
}

/** The shard that has a tag's lines, by its canonical name: the first bits of its sha256. `shards` is a power of two. */
export function shardOf(name: string, shards: number): number {
  const first = Number.parseInt(sha256(name).slice("sha256:".length, "sha256:".length + 8), 16);
  return Math.floor(first / (2 ** 32 / shards));
}

const SHARDS_HEADER = new RegExp(`^# tlog\\.ledger ${VERSION} shards (\\d{1,4})$`);
const NONE = "-";

/** The text that names shards by their manifests' digests; undefined is one without lines. */
export function shardsText(shards: readonly (Sha256 | undefined)[]): string {
  const lines = [`# tlog.ledger ${VERSION} shards ${shards.length}`, ...shards.map((each) => each ?? NONE)];
  return `${lines.join("\n")}\n`;
}

/** The shards that a text names; undefined when it is not such a text but one with lines. Throws what `fail` makes. */
export function parseShards(text: string, fail: Fail): readonly (Sha256 | undefined)[] | undefined {
  const end = text.indexOf("\n");
  const [, count] = SHARDS_HEADER.exec(text.slice(0, Math.max(end, 0))) ?? [];
  if (count === undefined) return undefined;
  const shards = text.slice(end + 1, -1).split("\n");
  const isPower = Number.isInteger(Math.log2(shards.length));
  if (!text.endsWith("\n") || shards.length !== Number(count) || !isPower || shards.length > MAX_SHARDS)
    throw fail("it does not name as many shards as it says");
  return shards.map((each) => {
    if (each === NONE) return undefined;
    if (!/^sha256:[0-9a-f]{64}$/.test(each)) throw fail("a name of a shard is no digest");
    return each as Sha256;
  });
}

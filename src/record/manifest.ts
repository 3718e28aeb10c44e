// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { type Digest, parseDigest, type Sha256, sha256 } from "../image/digest.ts";
import { excerpt } from "../log/excerpt.ts";
import { conform, parseJson } from "../log/foreign-json.ts";

/** One manifest of an index. */
export interface PlatformManifest {
  /** `linux/amd64`, `linux/arm/v7`, `windows(10.0.20348.2113)/amd64`: as the index says it, not normalized. */
  readonly platform: string;
  readonly digest: Digest;
}

/** What a registry served for a tag. */
export interface Manifest {
  /** The sha256 of its bytes. */
  readonly digest: Sha256;
  readonly mediaType: string;
  /** Of an index: the manifests of named platforms, in the index's order; empty for a plain manifest. */
  readonly platforms: readonly PlatformManifest[];
}

/** The largest manifest or index that is read, in bytes (the limit that registries themselves set). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** The most platforms that an index may have: as many as fit into a statement. */
export const MAX_PLATFORMS = 256;
/** A media type without parameters (RFC 6838, 4.2). */
export const MEDIA_TYPE = /^[a-zA-Z0-9][\w!#$&^.+-]{0,126}\/[a-zA-Z0-9][\w!#$&^.+-]{0,126}$/;
/** What `PlatformManifest.platform` looks like. */
export const PLATFORM = /^[\w.-]{1,32}(?:\([\w.-]{1,32}\))?(?:\/[\w.-]{1,32}){1,2}$/;

const KINDS: ReadonlyMap<string, "manifest" | "index"> = new Map([
  ["application/vnd.oci.image.manifest.v1+json", "manifest"],
  ["application/vnd.docker.distribution.manifest.v2+json", "manifest"],
  ["application/vnd.oci.image.index.v1+json", "index"],
  ["application/vnd.docker.distribution.manifest.list.v2+json", "index"],
] as const);

/** `unsupported`: a format that is no image manifest or index; `malformed`: not of the format it says; `too-large` */
export type ManifestErrorCode = "unsupported" | "malformed" | "too-large";

/** Bytes that are no image manifest or index. */
export class ManifestError extends Error {
  override readonly name = "ManifestError";
  readonly code: ManifestErrorCode;

  constructor(code: ManifestErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A digest as `parseDigest` reads it. */
export const DigestText = v.pipe(
  v.string(),
  v.regex(/^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/, "is not a digest"),
  v.transform(parseDigest),
);

// No slash: `linux` with `arm/v7` must not look like `linux/arm` with `v7`.
const part = (minLength: 0 | 1) =>
  v.pipe(v.string(), v.minLength(minLength, "is empty"), v.regex(/^[\w.-]{0,32}$/, "is not a platform's"));

const SelfDescribed = v.object({ mediaType: v.optional(v.string()) });

const PlainManifest = v.object({
  config: v.object({ digest: DigestText }),
  layers: v.array(v.object({ digest: DigestText })),
  manifests: v.optional(v.undefined("is not for a manifest")),
});

const Index = v.object({
  manifests: v.array(
    v.object({
      digest: DigestText,
      platform: v.optional(
        v.object({
          os: part(1),
          architecture: part(1),
          variant: v.optional(part(0), ""),
          "os.version": v.optional(part(0), ""),
        }),
      ),
    }),
  ),
  config: v.optional(v.undefined("is not for an index")),
  layers: v.optional(v.undefined("is not for an index")),
});

function platformsOf(index: v.InferOutput<typeof Index>): readonly PlatformManifest[] {
  const platforms: PlatformManifest[] = [];
  for (const { platform, digest } of index.manifests) {
    // BuildKit keeps attestations beside the images, under a platform that no machine has. A manifest without a
    // platform cannot be named; it counts through the index's own digest alone.
    if (platform === undefined || (platform.os === "unknown" && platform.architecture === "unknown"))
      continue;
    const { os, architecture, variant, "os.version": version } = platform;
    const text = `${os}${version && `(${version})`}/${architecture}${variant && `/${variant}`}`;
    platforms.push({ platform: text, digest });
  }
  if (platforms.length > MAX_PLATFORMS) {
    throw new ManifestError("too-large", `read an image index: it has more than ${MAX_PLATFORMS} platforms`);
  }
  return platforms;
}

/**
 * Reads the bytes that a registry served as an image manifest or index (OCI image-spec 1, Docker's schema 2).
 * `mediaType` is what the registry said they are; a `mediaType` inside must agree, and a document that could be
 * read as both is refused, so that nobody else can take it for something else. Throws ManifestError.
 */
export function readManifest(bytes: Uint8Array, mediaType: string): Manifest {
  const kind = KINDS.get(mediaType);
  if (kind === undefined) {
    throw new ManifestError(
      "unsupported",
      `read an image manifest: "${excerpt(mediaType)}" is not an OCI or Docker schema 2 manifest or index`,
    );
  }
  if (bytes.length > MAX_MANIFEST_BYTES) {
    throw new ManifestError(
      "too-large",
      `read an image manifest: it is longer than ${MAX_MANIFEST_BYTES} bytes`,
    );
  }
  const fail = (why: string, cause?: unknown) =>
    new ManifestError("malformed", `read an image manifest as "${mediaType}": ${why}`, { cause });
  const value = parseJson(bytes, fail);
  const { mediaType: own = mediaType } = conform(SelfDescribed, value, fail);
  if (own !== mediaType) throw fail(`it calls itself "${excerpt(own)}"`);
  const digest = sha256(bytes);
  if (kind === "index") return { digest, mediaType, platforms: platformsOf(conform(Index, value, fail)) };
  conform(PlainManifest, value, fail);
  return { digest, mediaType, platforms: [] };
}

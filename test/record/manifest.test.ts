// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { ManifestError, MAX_MANIFEST_BYTES, readManifest } from "../../src/record/manifest.ts";

const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";

const digest = (byte: string): string => `sha256:${byte.repeat(32)}`;
const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

const platform = { os: "linux", architecture: "amd64" };
const index = {
  schemaVersion: 2,
  mediaType: OCI_INDEX,
  manifests: [
    { mediaType: OCI_MANIFEST, size: 1, digest: digest("a1"), platform },
    {
      mediaType: OCI_MANIFEST,
      size: 1,
      digest: digest("a2"),
      platform: { ...platform, architecture: "arm", variant: "v7" },
    },
    {
      mediaType: OCI_MANIFEST,
      size: 1,
      digest: digest("a3"),
      platform: { os: "unknown", architecture: "unknown" },
    },
    {
      mediaType: OCI_MANIFEST,
      size: 1,
      digest: digest("a4"),
      platform: { ...platform, os: "windows", "os.version": "10.0.20348.2113" },
    },
    { mediaType: OCI_INDEX, size: 1, digest: digest("a5") },
    { mediaType: OCI_MANIFEST, size: 1, digest: digest("a6"), platform },
  ],
};
const manifest = {
  schemaVersion: 2,
  mediaType: OCI_MANIFEST,
  config: { mediaType: "application/vnd.oci.image.config.v1+json", size: 1, digest: digest("c0") },
  layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", size: 1, digest: digest("d0") }],
};

test("an index gives its platforms in order, without attestations and what names no platform", () => {
  const bytes = bytesOf(index);
  expect(readManifest(bytes, OCI_INDEX)).toEqual({
    digest: sha256(bytes),
    mediaType: OCI_INDEX,
    platforms: [
      { platform: "linux/amd64", digest: digest("a1") },
      { platform: "linux/arm/v7", digest: digest("a2") },
      { platform: "windows(10.0.20348.2113)/amd64", digest: digest("a4") },
      { platform: "linux/amd64", digest: digest("a6") },
    ],
  });
});

describe("every usual form is read", () => {
  test.for([
    { row: "an OCI manifest", value: manifest, mediaType: OCI_MANIFEST, platforms: 0 },
    {
      row: "one that does not say its type",
      value: { ...manifest, mediaType: undefined },
      mediaType: OCI_MANIFEST,
      platforms: 0,
    },
    { row: "one without layers", value: { ...manifest, layers: [] }, mediaType: OCI_MANIFEST, platforms: 0 },
    {
      row: "a Docker manifest",
      value: { ...manifest, mediaType: DOCKER_MANIFEST },
      mediaType: DOCKER_MANIFEST,
      platforms: 0,
    },
    {
      row: "a Docker manifest list",
      value: { ...index, mediaType: DOCKER_LIST },
      mediaType: DOCKER_LIST,
      platforms: 4,
    },
    {
      row: "an index of attestations alone",
      value: { ...index, manifests: [index.manifests[2]] },
      mediaType: OCI_INDEX,
      platforms: 0,
    },
  ])("$row", ({ value, mediaType, platforms }) => {
    const read = readManifest(bytesOf(value), mediaType);
    expect(read.mediaType).toBe(mediaType);
    expect(read.platforms).toHaveLength(platforms);
  });
});

describe("what is no image is refused with the reason", () => {
  const withPlatform = (change: object): Uint8Array =>
    bytesOf({ ...index, manifests: [{ digest: digest("a1"), platform: { ...platform, ...change } }] });

  test.for<{ row: string; bytes: Uint8Array; mediaType?: string; code?: string; says: string }>([
    {
      row: "Docker's first format",
      bytes: bytesOf({}),
      mediaType: "application/vnd.docker.distribution.manifest.v1+prettyjws",
      code: "unsupported",
      says: "v1+prettyjws",
    },
    {
      row: "a page of HTML",
      bytes: bytesOf("<html>"),
      mediaType: "text/html",
      code: "unsupported",
      says: '"text/html"',
    },
    {
      row: "a media type in disguise",
      bytes: bytesOf({}),
      mediaType: `${OCI_INDEX}\u001b[2J`,
      code: "unsupported",
      says: "?[2J",
    },
    { row: "no JSON", bytes: new TextEncoder().encode("{"), says: "not JSON" },
    { row: "no UTF-8", bytes: Uint8Array.of(0x22, 0xff, 0x22), says: "not JSON" },
    { row: "a list", bytes: bytesOf([]), says: "manifests" },
    {
      row: "another type inside",
      bytes: bytesOf({ ...index, mediaType: OCI_MANIFEST }),
      says: "calls itself",
    },
    {
      row: "an index that is a manifest too",
      bytes: bytesOf({ ...index, ...manifest, mediaType: OCI_INDEX }),
      says: "is not for an index",
    },
    {
      row: "a manifest that is an index too",
      bytes: bytesOf({ ...manifest, manifests: [] }),
      mediaType: OCI_MANIFEST,
      says: "is not for a manifest",
    },
    {
      row: "a manifest without config",
      bytes: bytesOf({ ...manifest, config: undefined }),
      mediaType: OCI_MANIFEST,
      says: '"config"',
    },
    {
      row: "a layer with a bad digest",
      bytes: bytesOf({ ...manifest, layers: [{ digest: "x" }] }),
      mediaType: OCI_MANIFEST,
      says: '"layers.0.digest"',
    },
    {
      row: "a bad digest",
      bytes: bytesOf({ ...index, manifests: [{ digest: "sha256:x", platform }] }),
      says: '"manifests.0.digest": is not a digest',
    },
    {
      row: "a platform with a slash",
      bytes: withPlatform({ os: "linux/amd64" }),
      says: '"manifests.0.platform.os": is not a platform',
    },
    {
      row: "a platform without a name",
      bytes: withPlatform({ os: "" }),
      says: '"manifests.0.platform.os": is empty',
    },
    {
      row: "a platform that moves the cursor",
      bytes: withPlatform({ variant: "\u001b[1A" }),
      says: '"manifests.0.platform.variant": is not',
    },
    { row: "a platform that is a list", bytes: withPlatform({ os: [] }), says: '"manifests.0.platform.os"' },
    {
      row: "too many platforms",
      bytes: bytesOf({ ...index, manifests: Array.from({ length: 257 }, () => index.manifests[0]) }),
      code: "too-large",
      says: "more than 256 platforms",
    },
    {
      row: "too many bytes",
      bytes: new Uint8Array(MAX_MANIFEST_BYTES + 1),
      code: "too-large",
      says: "longer than 4194304",
    },
    {
      row: "bottomless nesting",
      bytes: new TextEncoder().encode("[".repeat(1_000_000) + "]".repeat(1_000_000)),
      says: "manifests",
    },
  ])("$row", ({ bytes, mediaType = OCI_INDEX, code = "malformed", says }) => {
    const read = () => readManifest(bytes, mediaType);
    expect(read).toThrow(ManifestError);
    expect(read).toThrow(expect.objectContaining({ code, message: expect.stringContaining(says) }));
  });
});

// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { samePlatforms } from "../../src/check/same-platforms.ts";
import { parseDigest } from "../../src/image/digest.ts";
import type { PlatformManifest } from "../../src/record/manifest.ts";

const digestOf = (byte: string) => parseDigest(`sha256:${byte.repeat(32)}`);
const on = (platform: string, byte: string): PlatformManifest => ({ platform, digest: digestOf(byte) });

const AMD64 = on("linux/amd64", "a1");
const ARM64 = on("linux/arm64/v8", "a2");
const ARMV6 = on("linux/arm/v6", "a3");
const ARMV7 = on("linux/arm/v7", "a4");
const WINDOWS = on("windows(10.0.20348.2113)/amd64", "a5");
const RECORDED = [AMD64, ARM64, ARMV6, ARMV7, WINDOWS];

test.for<{
  row: string;
  recorded?: readonly PlatformManifest[];
  served: readonly PlatformManifest[];
  platforms: readonly string[];
  same: boolean;
}>([
  { row: "nothing changed", served: RECORDED, platforms: ["linux/amd64"], same: true },
  {
    row: "only a platform changed that is not built",
    served: [AMD64, ARM64, ARMV6, ARMV7, on("windows(10.0.20348.2999)/amd64", "b5")],
    platforms: ["linux/amd64", "linux/arm64"],
    same: true,
  },
  {
    row: "the platform that is built changed",
    served: [on("linux/amd64", "b1"), ARM64, ARMV6, ARMV7, WINDOWS],
    platforms: ["linux/amd64"],
    same: false,
  },
  {
    row: "one of two platforms that are built changed",
    served: [AMD64, on("linux/arm64/v8", "b2")],
    platforms: ["linux/amd64", "linux/arm64"],
    same: false,
  },
  {
    row: "the variant is spelled otherwise, so a builder may choose otherwise",
    served: [AMD64, on("linux/arm64", "a2")],
    platforms: ["linux/arm64"],
    same: false,
  },
  {
    row: "another variant of the architecture that is built changed: builders fall back to it",
    served: [AMD64, on("linux/arm/v6", "b3"), ARMV7],
    platforms: ["linux/arm/v7"],
    same: false,
  },
  {
    row: "a variant came beside the one that is built",
    served: [AMD64, on("linux/amd64/v3", "b1")],
    platforms: ["linux/amd64"],
    same: false,
  },
  {
    row: "the order changed: the first one that fits is taken",
    served: [ARMV7, ARMV6],
    platforms: ["linux/arm/v7"],
    same: false,
  },
  { row: "the platform is in neither", served: RECORDED, platforms: ["linux/s390x"], same: false },
  { row: "the platform is gone", served: [ARM64], platforms: ["linux/amd64"], same: false },
  { row: "it is not known what is built", served: RECORDED, platforms: [], same: false },
  {
    row: "one of the platforms is no platform",
    served: RECORDED,
    platforms: ["linux/amd64", ""],
    same: false,
  },
  {
    row: "another system has the architecture",
    served: [AMD64, on("windows(10.0.20348.2113)/amd64", "b5")],
    platforms: ["windows/amd64"],
    same: false,
  },
  ...["linux/x86_64", "linux/x86-64", "Linux/amd64", "linux/AMD64"].map((name) => ({
    row: `a manifest came before it under ${name}, which builders take for the same platform`,
    served: [on(name, "b1"), ...RECORDED],
    platforms: ["linux/amd64"],
    same: false,
  })),
  {
    row: "a manifest came under a name that nobody knows",
    served: [...RECORDED, on("plan10/amd64", "b1")],
    platforms: ["linux/amd64"],
    same: false,
  },
  {
    row: "the index has other variants alone, so a builder may take what has no platform",
    recorded: [on("linux/amd64/v3", "a1"), ARM64],
    served: [on("linux/amd64/v3", "a1"), on("linux/arm64/v8", "b2")],
    platforms: ["linux/amd64"],
    same: false,
  },
  {
    row: "the platform has its usual variant in the indexes",
    served: [AMD64, ARM64],
    platforms: ["linux/arm64"],
    same: true,
  },
  { row: "neither is an index", recorded: [], served: [], platforms: ["linux/amd64"], same: false },
])("$row: $same", ({ recorded = RECORDED, served, platforms, same }) => {
  expect(samePlatforms(recorded, served, platforms)).toBe(same);
});

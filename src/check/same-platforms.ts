// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { PlatformManifest } from "../record/manifest.ts";

/**
 * Whether two indexes hold the same manifests for these platforms (`linux/amd64`, `linux/arm/v7`), so that a build
 * for them uses the same bytes from either.
 *
 * All manifests of a platform's system and architecture are compared, in order and whatever their variant: which of
 * them a builder takes is its own affair, and it is the same one when all are the same. Names that are not the usual
 * ones count for every platform, because a builder may know them as other names for it (`x86_64`, `Linux`). A platform
 * that one of the indexes does not have exactly is not the same: a builder may then take another one's manifest, or
 * one that has no platform.
 */
export function samePlatforms(
  recorded: readonly PlatformManifest[],
  served: readonly PlatformManifest[],
  platforms: readonly string[],
): boolean {
  if (platforms.length === 0) return false;
  return platforms.every((platform) => {
    const wanted = partsOf(platform);
    const isNamed = wanted.system !== "" && wanted.architecture !== "";
    const isRecorded = recorded.some((each) => isDeepStrictEqual(partsOf(each.platform), wanted));
    return isNamed && isRecorded && takenFor(wanted, recorded) === takenFor(wanted, served);
  });
}

interface PlatformParts {
  readonly system: string;
  readonly architecture: string;
  readonly variant: string;
}

/** `linux`, `arm`, `v7` of `linux/arm/v7`; `windows`, `amd64` and nothing of `windows(10.0.20348.2113)/amd64`. */
function partsOf(platform: string): PlatformParts {
  const [system = "", architecture = "", variant = ""] = platform.split("/");
  return {
    system: system.replace(/\(.*\)$/, ""),
    architecture,
    variant: variant === USUAL_VARIANTS.get(architecture) ? "" : variant,
  };
}

/** The variant of an architecture that is named without one. */
const USUAL_VARIANTS: ReadonlyMap<string, string> = new Map([
  ["amd64", "v1"],
  ["arm", "v7"],
  ["arm64", "v8"],
]);

/** Names that stand for themselves and for nothing else. */
const SYSTEMS = new Set(["linux", "windows", "darwin", "freebsd"]);
const ARCHITECTURES = new Set(
  "386 amd64 arm arm64 loong64 mips mipsle mips64 mips64le ppc64 ppc64le riscv64 s390x wasm".split(" "),
);

/** The manifests that a builder may take for the platform, as one text. */
function takenFor(wanted: PlatformParts, all: readonly PlatformManifest[]): string {
  return all
    .filter(({ platform }) => {
      const { system, architecture } = partsOf(platform);
      return (
        (system === wanted.system || !SYSTEMS.has(system)) &&
        (architecture === wanted.architecture || !ARCHITECTURES.has(architecture))
      );
    })
    .map(({ platform, digest }) => `${platform} ${digest}\n`)
    .join("");
}

// SPDX-License-Identifier: Apache-2.0
import type { PlatformManifest } from "../record/manifest.ts";

/**
 * Whether two indexes hold the same manifests for these platforms (`linux/amd64`, `linux/arm/v7`), so that a build
 * for them uses the same bytes from either.
 *
 * All manifests of a platform's system and architecture are compared, in order and whatever their variant: which of
 * them a builder takes is its own affair, and it is the same one when all are the same. A platform that one of the
 * indexes does not have is not the same: a builder may then take another architecture's.
 */
export function samePlatforms(
  recorded: readonly PlatformManifest[],
  served: readonly PlatformManifest[],
  platforms: readonly string[],
): boolean {
  if (platforms.length === 0) return false;
  return platforms.every((platform) => {
    const [one, other] = [recorded, served].map((all) => ofArchitecture(all, platform));
    return one !== undefined && one !== "" && one === other;
  });
}

/** The manifests of the platform's system and architecture as one text; empty when there is none. */
function ofArchitecture(all: readonly PlatformManifest[], platform: string): string {
  const wanted = architectureOf(platform);
  return all
    .filter((each) => architectureOf(each.platform) === wanted)
    .map(({ platform: name, digest }) => `${name} ${digest}\n`)
    .join("");
}

/** `linux/arm` of `linux/arm/v7`, `windows/amd64` of `windows(10.0.20348.2113)/amd64`. */
function architectureOf(platform: string): string {
  const [os = "", architecture = ""] = platform.split("/");
  return `${os.replace(/\(.*\)$/, "")}/${architecture}`;
}

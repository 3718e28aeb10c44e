// SPDX-License-Identifier: Apache-2.0
import type { Digest } from "../image/digest.ts";
import type { History } from "../record/history.ts";
import type { TagRecord } from "../record/record.ts";

/** What became of a platform between two images. */
export const PLATFORM_CHANGES = ["changed", "added", "removed", "same"] as const;

/** A platform of one image or of both, with its manifests in each: an index may have several of one platform. */
export interface PlatformChange {
  readonly platform: string;
  readonly what: (typeof PLATFORM_CHANGES)[number];
  readonly from: readonly Digest[];
  readonly to: readonly Digest[];
}

/** The record that says what is in an image: one that names platforms if there is one, the newest of them. */
export function recordOfImage(
  { records, foreign }: Pick<History, "records" | "foreign">,
  digest: Digest,
): { readonly record: TagRecord; readonly isTrusted: boolean } | undefined {
  const best = (list: readonly TagRecord[]) => {
    const fitting = list.filter((each) => each.digest === digest);
    return fitting.findLast(({ platforms }) => platforms.length > 0) ?? fitting.at(-1);
  };
  const trusted = best(records);
  if (trusted !== undefined) return { record: trusted, isTrusted: true };
  const other = best(foreign);
  return other && { record: other, isTrusted: false };
}

type Platforms = TagRecord["platforms"];

/** What became of each platform, in the order of their names. */
export function platformChanges(from: Platforms, to: Platforms): readonly PlatformChange[] {
  const [before, after] = [byPlatform(from), byPlatform(to)];
  return [...new Set([...before.keys(), ...after.keys()])].toSorted().map((platform) => {
    const [was, is] = [before.get(platform) ?? [], after.get(platform) ?? []];
    return { platform, what: changeOf(was, is), from: was, to: is };
  });
}

function byPlatform(platforms: Platforms): ReadonlyMap<string, readonly Digest[]> {
  const groups = Map.groupBy(platforms, ({ platform }) => platform);
  return new Map(
    [...groups].map(([platform, manifests]) => [platform, manifests.map(({ digest }) => digest).toSorted()]),
  );
}

function changeOf(from: readonly Digest[], to: readonly Digest[]): PlatformChange["what"] {
  if (from.length === 0) return "added";
  if (to.length === 0) return "removed";
  return from.join() === to.join() ? "same" : "changed";
}

// SPDX-License-Identifier: Apache-2.0
import type { Bridge } from "../gateway/bridge.ts";
import type { Conversion } from "./conversion.ts";
import { dockerfileText } from "./dockerfile-text.ts";

/**
 * Tells of a digest whether the person who builds wrote it: whether it stands in the Dockerfile or in one of the
 * build's own options. LLB has the digest of `name:tag@digest` and the one that a registry gave for `name:tag` in the
 * same place, but no registry can put one into those texts. `options` are the build's, without what was added to them.
 */
export async function isWrittenIn(
  bridge: Bridge,
  conversion: Conversion,
  options: Readonly<Record<string, string>>,
): Promise<(digest: string) => boolean> {
  if (conversion.images.length === 0) return () => false;
  const text = [await dockerfileText(bridge, conversion), ...Object.values(options)].join("\n");
  return (digest) => text.includes(digest);
}

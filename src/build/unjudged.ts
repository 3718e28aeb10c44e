// SPDX-License-Identifier: Apache-2.0
import { cacheName, type ImportedCaches, namedCaches } from "../gate/imported-caches.ts";
import { formatReference } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import { mayImport } from "../policy/cache-from.ts";
import type { EffectivePolicy } from "../policy/policy.ts";
import type { Unjudged } from "../report/report.ts";

/**
 * What goes into a build beside its images: the caches that it imports, and its named contexts that are OCI layouts. A build that
 * is refused has not come to all of its caches; those that its options name and the policy lets in are among them.
 */
export function unjudgedOf(
  options: Readonly<Record<string, string>>,
  caches: Pick<ImportedCaches, "all">,
  policy: Pick<EffectivePolicy, "cacheFrom" | "profile">,
): Unjudged {
  const named = namedCaches(options).filter((cache) => mayImport(policy, cache));
  const imported = new Map([...caches.all, ...named].map((cache) => [cacheName(cache), cache]));
  return {
    cacheImports: [...imported.values()].map(({ type, reference }) => ({
      type: excerpt(type),
      ...(reference && { reference: formatReference(reference) }),
    })),
    unjudgedContexts: Object.entries(options)
      .filter(([key, value]) => key.startsWith("context:") && value.startsWith("oci-layout:"))
      .map(([key]) => ({ name: excerpt(key.slice("context:".length)), type: "oci-layout" }))
      .toSorted((one, other) => (one.name < other.name ? -1 : 1)),
  };
}

// SPDX-License-Identifier: Apache-2.0
import type { ImportedCaches } from "../gate/imported-caches.ts";
import { formatReference } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import type { Unjudged } from "../report/report.ts";

/** What goes into a build beside its images: the caches that it imports, and its named contexts that are OCI layouts. */
export function unjudgedOf(
  options: Readonly<Record<string, string>>,
  caches: Pick<ImportedCaches, "all">,
): Unjudged {
  return {
    cacheImports: caches.all.map(({ type, reference }) => ({
      type: excerpt(type),
      ...(reference && { reference: formatReference(reference) }),
    })),
    unjudgedContexts: Object.entries(options)
      .filter(([key, value]) => key.startsWith("context:") && value.startsWith("oci-layout:"))
      .map(([key]) => ({ name: excerpt(key.slice("context:".length)), type: "oci-layout" }))
      .toSorted((one, other) => (one.name < other.name ? -1 : 1)),
  };
}

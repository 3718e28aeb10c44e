// SPDX-License-Identifier: Apache-2.0
import { placeOf, PolicyError } from "./policy-error.ts";
import type { EffectivePolicy } from "./policy.ts";
import { NOT_SET } from "./settings.ts";

/**
 * Throws PolicyError (`unknown-log`) when the policy names a log that is not among these, the base URLs of the trusted
 * root's logs: nothing that such a log says could ever be proven, and every tag would be unknown.
 */
export function checkLogsAreTrusted(
  { logs, logSources, sources }: Pick<EffectivePolicy, "logs" | "logSources" | "sources">,
  trusted: Iterable<string>,
): void {
  const known = [...trusted].map(plain);
  const other = logs.find(({ url }) => !known.includes(plain(url)));
  if (other === undefined) return;
  const source = logSources.get(other.url) ?? sources.logs;
  const has = known.length === 0 ? "it has none" : `it has ${known.map((url) => `"${url}"`).join(", ")}`;
  const text = `the log "${other.url}" is not in the trusted root, so nothing that it says can be proven (${has}); name one of these, or use a trusted_root.json with this log`;
  const place = source === NOT_SET ? { place: "signing_config.json" } : placeOf(source);
  throw new PolicyError({ code: "unknown-log", ...place, text });
}

/** The same address in one spelling. */
function plain(url: string): string {
  const parsed = URL.parse(url);
  return (parsed === null ? url : `${parsed.origin}${parsed.pathname}`).replace(/\/+$/, "");
}

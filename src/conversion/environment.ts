// SPDX-License-Identifier: Apache-2.0
import { OPTION_VARIABLE } from "../gateway/options.ts";

/** Variables of BuildKit's for its frontends, besides the options. */
const OWN = ["BUILDKIT_SESSION_ID", "BUILDKIT_WORKERS", "BUILDKIT_EXPORTEDPRODUCT"];

/**
 * The environment of a conversion for these options of a build: what BuildKit tells a frontend (frontend/gateway), and nothing
 * else of ours. It says that the syntax line is honoured (`cmdline`); a conversion would start its image otherwise.
 */
export function conversionEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  options: Readonly<Record<string, string>>,
): Record<string, string> {
  const cmdline = options["cmdline"] ?? options["source"] ?? "tlog-dockerfile";
  const told = Object.entries({ ...options, cmdline }).map(
    ([name, value], index) => [`${OPTION_VARIABLE}${index}`, `${name}=${value}`] as const,
  );
  const own = OWN.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries([...own, ...told]);
}

// SPDX-License-Identifier: Apache-2.0
import { GateError } from "./gate-error.ts";
import { isSbomWanted } from "../gateway/options.ts";
import type { SolvedResult } from "../gateway/result.ts";

/** How an attestation is known for a bill of materials (SPDX), as BuildKit knows it. */
const SPDX = "https://spdx.dev/Document";

/**
 * Throws GateError for a result without the bill of materials that the build wants: BuildKit itself would then run the
 * generator, by its tag, when we have returned.
 */
export function requireSbom({ refs }: SolvedResult, options: Readonly<Record<string, string>>): void {
  if (!isSbomWanted(options) || refs.every(({ id }) => id === "")) return;
  if (refs.some(({ attestation, predicateType }) => attestation && predicateType === SPDX)) return;
  throw new GateError(
    "the build wants a bill of materials (--sbom) and its result has none: BuildKit would run the generator by its tag, unjudged; leave --sbom out",
  );
}

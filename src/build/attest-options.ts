// SPDX-License-Identifier: Apache-2.0
import { GateError } from "../gate/gate-error.ts";
import type { SolvedResult } from "../gateway/result.ts";

/** How a build asks for attestations (BuildKit, frontend/attestations): by options, or by build args. */
const ATTEST = /^(?:attest:|build-arg:BUILDKIT_ATTEST_)(.+)$/;

function wants(options: Readonly<Record<string, string>>, kind: string): boolean {
  return Object.keys(options).some((name) => ATTEST.exec(name)?.[1]?.toLowerCase() === kind);
}

/** Whether the build wants a provenance attestation, and so attestations beside the image. */
export function isProvenanceWanted(options: Readonly<Record<string, string>>): boolean {
  return wants(options, "provenance");
}

/** Whether the build wants a software bill of materials, which a generator image makes. */
export function isSbomWanted(options: Readonly<Record<string, string>>): boolean {
  return wants(options, "sbom");
}

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

// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import type { Bridge } from "../gateway/bridge.ts";
import { attestedPlatforms, withAttestation } from "../gateway/result-additions.ts";
import { readResult, type SolvedResult } from "../gateway/result.ts";
import { progressVertices } from "../llb/progress-vertices.ts";
import { singleFile } from "../llb/single-file.ts";
import type { EffectivePolicy } from "../policy/policy.ts";
import { EvidenceError } from "../attestation/error.ts";
import { EVIDENCE_PREDICATE_TYPE, formatEvidence, VERSION } from "../attestation/predicate.ts";
import { makeEvidence } from "../report/build-evidence.ts";
import type { NamedImage } from "../report/report.ts";

/** What the evidence is made of. */
export interface Attesting {
  readonly judgements: readonly Judgement[];
  readonly images: readonly NamedImage[];
  readonly policy: EffectivePolicy;
  /** Whether the engine puts attestations beside images, and this build has any. */
  readonly attestations: boolean;
}

const FILE = "tlog.json";

/**
 * The encoded Result of a conversion, with our evidence attached to each platform's image. It is the Result as it was
 * when the policy says so, when the engine has no attestations or the build no provenance: an image that nobody wants
 * attestations of stays a single manifest. Evidence that is too large is left out whole, and the build says so.
 */
export async function withEvidence(
  bridge: Bridge,
  result: SolvedResult,
  { judgements, images, policy, attestations }: Attesting,
): Promise<Uint8Array> {
  const platforms = attestedPlatforms(result);
  const isWanted = policy.attest && attestations && platforms.length > 0;
  if (!isWanted) return result.bytes;
  const context = { images, policy, version: VERSION };
  let data: Uint8Array;
  try {
    data = formatEvidence(makeEvidence(judgements, context));
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    await say(bridge, `the image carries no evidence: ${error.message}`);
    return result.bytes;
  }
  const definition = singleFile({ path: FILE, data }, "[internal] write the evidence for the image");
  const { refs } = readResult(await bridge.solve({ Definition: definition }));
  const [ref] = refs;
  if (ref === undefined || ref.id === "") throw new Error("BuildKit solves a file to nothing");
  return withAttestation(result.bytes, platforms, {
    predicateType: EVIDENCE_PREDICATE_TYPE,
    ref: ref.id,
    path: `/${FILE}`,
  });
}

async function say(bridge: Bridge, line: string): Promise<void> {
  const { definition } = progressVertices([line]);
  await bridge.solve({ Definition: definition, Evaluate: true });
}

// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import { formatReference } from "../image/reference.ts";
import { isPublicRegistry } from "../image/registry.ts";
import { sameUrl } from "../log/json-api.ts";
import { policyDigest } from "../policy/policy-text.ts";
import { type EffectivePolicy, isNamedAnywhere } from "../policy/policy.ts";
import type { EvidenceImage, EvidencePredicate } from "../attestation/predicate.ts";
import type { NamedImage } from "./report.ts";

/** What the evidence of a build is made with. */
export interface EvidenceContext {
  readonly images: readonly NamedImage[];
  /** The policy in effect. */
  readonly policy: EffectivePolicy;
  /** This frontend's. */
  readonly version: string;
}

/**
 * What the built image is to carry about the images that it was built from. There is no time in it and nothing of the
 * machine: the same judgements give the same evidence.
 *
 * An image that is private has no name and no bundle here, because a bundle has the name in it: images that their registry
 * does not show to everybody, whether a rule with `private: true` lets them be named to a log or not; and images whose
 * registry is not of the public internet or whose record is in a private log, unless the baked policy has that rule.
 */
export function makeEvidence(
  judgements: readonly Judgement[],
  { images, policy, version }: EvidenceContext,
): EvidencePredicate {
  const platforms = new Map(images.map((image) => [formatReference(image.reference), image.platforms]));
  const all = judgements.map((judgement) => {
    const name = formatReference(judgement.reference);
    return { name, image: evidenceOf(judgement, policy, platforms.get(name) ?? []) };
  });
  return {
    frontend: { name: "tlog-dockerfile", version },
    policy: policyDigest(policy),
    images: all.toSorted((one, other) => (one.name < other.name ? -1 : 1)).map(({ image }) => image),
  };
}

function evidenceOf(
  judgement: Judgement,
  policy: EffectivePolicy,
  platforms: readonly string[],
): EvidenceImage {
  const { reference, verdict, records } = judgement;
  const { registry, repository, tag, digest } = reference;
  const name = formatReference({ registry, repository, ...(tag !== undefined && { tag }) });
  const isHidden = isPrivate(judgement, policy);
  return {
    ...(!isHidden && { reference: name }),
    ...(digest && { digest }),
    platforms: platforms.toSorted(),
    verdict: verdict.kind,
    bundles: isHidden ? [] : records.flatMap(({ bundle }) => bundle ?? []),
  };
}

/** Whether nobody who gets the built image is to learn the image's name from it. */
function isPrivate({ reference, rule, verdict, records }: Judgement, policy: EffectivePolicy): boolean {
  // The record of an image that its registry shows to everybody has a media type, and that of another has none.
  const isShown = records.some(({ mediaType }) => mediaType !== undefined);
  const isUnnamed =
    verdict.kind === "unrecorded" && (verdict.reason === "not-public" || verdict.reason === "internal-name");
  const isIn = (logUrl: string) => policy.logs.some((log) => log.private && sameUrl(log.url, logUrl));
  const isInternal = !isPublicRegistry(reference.registry) || records.some(({ logUrl }) => isIn(logUrl));
  return (rule.private && !isShown) || isUnnamed || (isInternal && !isNamedAnywhere(rule, policy));
}

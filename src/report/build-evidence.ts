// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import type { Sha256 } from "../image/digest.ts";
import { formatReference } from "../image/reference.ts";
import type { EvidenceImage, EvidencePredicate } from "../attestation/predicate.ts";
import type { NamedImage } from "./report.ts";

/** What the evidence of a build is made with. */
export interface EvidenceContext {
  readonly images: readonly NamedImage[];
  /** The digest of the policy in effect. */
  readonly policy: Sha256;
  /** This frontend's. */
  readonly version: string;
}

/**
 * What the built image is to carry about the images that it was built from. There is no time in it and nothing of the
 * machine: the same judgements give the same evidence.
 *
 * An image that the policy keeps private has no name and no bundle here, because a bundle has the name in it: images
 * that their registry does not show to everybody, whether a rule with `private: true` lets them be named to a log or not.
 */
export function makeEvidence(
  judgements: readonly Judgement[],
  { images, policy, version }: EvidenceContext,
): EvidencePredicate {
  const platforms = new Map(images.map((image) => [formatReference(image.reference), image.platforms]));
  const all = judgements.map((judgement) => {
    const name = formatReference(judgement.reference);
    return { name, image: evidenceOf(judgement, platforms.get(name) ?? []) };
  });
  return {
    frontend: { name: "tlog-dockerfile", version },
    policy,
    images: all.toSorted((one, other) => (one.name < other.name ? -1 : 1)).map(({ image }) => image),
  };
}

function evidenceOf(judgement: Judgement, platforms: readonly string[]): EvidenceImage {
  const { reference, verdict, records } = judgement;
  const { registry, repository, tag, digest } = reference;
  const name = formatReference({ registry, repository, ...(tag !== undefined && { tag }) });
  const isHidden = isPrivate(judgement);
  return {
    ...(!isHidden && { reference: name }),
    ...(digest && { digest }),
    platforms: platforms.toSorted(),
    verdict: verdict.kind,
    bundles: isHidden ? [] : records.flatMap(({ bundle }) => bundle ?? []),
  };
}

/** The record of a public image has a media type, and that of a private image has none. */
function isPrivate({ rule, verdict, records }: Judgement): boolean {
  const isShown = records.some(({ mediaType }) => mediaType !== undefined);
  const isInternal =
    verdict.kind === "unrecorded" && (verdict.reason === "not-public" || verdict.reason === "internal-name");
  return (rule.private && !isShown) || isInternal;
}

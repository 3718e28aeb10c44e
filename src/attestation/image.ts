// SPDX-License-Identifier: Apache-2.0
import { type Digest, hasDigest } from "../image/digest.ts";
import { type AttestedImage, readAttestationLayers, readAttestedImages } from "./manifests.ts";
import { EvidenceError } from "./error.ts";
import { ANY_EVIDENCE_TYPE, EVIDENCE_PREDICATE_TYPE, type EvidencePredicate } from "./predicate.ts";
import { checkEvidenceType, MAX_EVIDENCE_STATEMENT_BYTES, readEvidenceStatement } from "./statement.ts";

/** An image in its registry. Failures reject with an Error that has a `code`; nothing that is served is trusted. */
export interface ServedImage {
  /** Of the index or manifest that the image's reference names. */
  readonly digest: Digest;
  readonly manifest: (digest: Digest) => Promise<Uint8Array>;
  readonly blob: (digest: Digest, maxBytes: number) => Promise<Uint8Array>;
}

/** The most platforms of one image, and the most manifests that are attached to one of them. */
const MAX_PLATFORMS = 64;
const MAX_ATTACHED = 8;

/** An image of one platform, as the index has it. */
export type PlatformImage = Pick<AttestedImage, "platform" | "digest" | "attestations">;

/**
 * The images that the digest names: those of an index, or the one manifest, to which nothing can be attached. Throws
 * EvidenceError for bytes that are not those of the digest or not an index, and what asking the registry throws.
 */
export async function platformImages(image: ServedImage, place: string): Promise<readonly PlatformImage[]> {
  const bytes = await fetchManifest(image, image.digest, place);
  const images = readAttestedImages(bytes, place) ?? [
    { platform: "its one platform", digest: image.digest, attestations: [] },
  ];
  if (images.length > MAX_PLATFORMS)
    throw new EvidenceError("too-large", `read ${place}: it has more than ${MAX_PLATFORMS} platforms`);
  return images;
}

/**
 * The evidence that one platform's image carries, every byte on the way to it hashed. Throws EvidenceError, and what
 * asking the registry throws.
 */
export async function fetchEvidence(
  image: ServedImage,
  { digest, attestations }: PlatformImage,
  place: string,
): Promise<EvidencePredicate> {
  const none = (why: string): EvidenceError =>
    new EvidenceError(
      "none",
      `read ${place}: no evidence: ${why}; it was built without tlog-dockerfile or without provenance, or a registry or a copy on the way dropped it`,
    );
  if (attestations.length > MAX_ATTACHED)
    throw new EvidenceError(
      "too-large",
      `read ${place}: ${attestations.length} manifests are attached to it`,
    );
  const layers = [];
  for (const attached of attestations) {
    const bytes = await notGone(fetchManifest(image, attached, place), none);
    layers.push(...readAttestationLayers(bytes, place));
  }
  const ours = layers.filter(({ predicateType }) => ANY_EVIDENCE_TYPE.test(predicateType));
  const [layer] = ours.filter(({ predicateType }) => predicateType === EVIDENCE_PREDICATE_TYPE);
  if (layer === undefined) {
    for (const { predicateType } of ours) checkEvidenceType(predicateType, place);
    throw none(attestations.length === 0 ? "nothing is attached to the image" : "it carries none of ours");
  }
  if (ours.length > 1) {
    throw new EvidenceError(
      "several",
      `read ${place}: the image carries evidence ${ours.length} times, and a build writes one; somebody added to it`,
    );
  }
  const bytes = await notGone(image.blob(layer.digest, MAX_EVIDENCE_STATEMENT_BYTES), none);
  checkBytes(bytes, layer.digest, place);
  return readEvidenceStatement(bytes, { manifest: digest, place });
}

async function fetchManifest(image: ServedImage, digest: Digest, place: string): Promise<Uint8Array> {
  const bytes = await image.manifest(digest);
  checkBytes(bytes, digest, place);
  return bytes;
}

function checkBytes(bytes: Uint8Array, digest: Digest, place: string): void {
  if (hasDigest(bytes, digest)) return;
  throw new EvidenceError(
    "wrong-bytes",
    `read ${place}: the registry served something else for "${digest}", which is of another digest`,
  );
}

/** What an index or a manifest names and the registry has not is not there; anything else could not be asked. */
async function notGone<T>(asked: Promise<T>, none: (why: string) => EvidenceError): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (codeOf(error) === "not-found") throw none("the registry has not what the image's index names");
    throw error;
  }
}

/** The code of a failure, as couriers name them. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { type Digest, hasDigest } from "../image/digest.ts";
import { excerpt } from "../log/excerpt.ts";
import { conform, parseJson } from "../log/foreign-json.ts";
import { DigestText } from "../record/manifest.ts";
import { EvidenceError, malformed } from "./error.ts";
import {
  ANY_EVIDENCE_TYPE,
  checkEvidenceType,
  EVIDENCE_PREDICATE_TYPE,
  type EvidencePredicate,
  MAX_EVIDENCE_STATEMENT_BYTES,
  readEvidenceStatement,
} from "./predicate.ts";

/** One platform's image in an index, and the manifests that BuildKit attached to it. */
export interface AttestedImage {
  /** `linux/arm/v7`; as the index says it. */
  readonly platform: string;
  readonly digest: Digest;
  /** The manifests with attestations about it, in the index's order. */
  readonly attestations: readonly Digest[];
}

/** One attestation of a manifest that has them. */
export interface AttestationLayer {
  readonly predicateType: string;
  readonly digest: Digest;
}

/** BuildKit's names for what it attaches (docs/attestations/attestation-storage). */
const KIND = "vnd.docker.reference.type";
const SUBJECT = "vnd.docker.reference.digest";
const ATTESTATION = "attestation-manifest";
const IN_TOTO = "application/vnd.in-toto+json";
const PREDICATE_TYPE = "in-toto.io/predicate-type";

const MAX_MANIFESTS = 1000;

const Annotations = v.optional(v.record(v.string(), v.string()), {});
const part = v.pipe(v.string(), v.maxLength(64));

const Index = v.object({
  manifests: v.pipe(
    v.array(
      v.object({
        digest: DigestText,
        annotations: Annotations,
        platform: v.optional(v.object({ os: part, architecture: part, variant: v.optional(part, "") })),
      }),
    ),
    v.maxLength(MAX_MANIFESTS),
  ),
});

const Manifest = v.object({
  layers: v.pipe(
    v.array(v.object({ mediaType: v.string(), digest: DigestText, annotations: Annotations })),
    v.maxLength(MAX_MANIFESTS),
  ),
});

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

/** What the registry does not have is missing evidence; any other failure means that it could not be asked. */
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

/**
 * The images of an index, each with what is attached to it; undefined for a plain manifest, to which nothing can be
 * attached. The caller has seen to it that the bytes have the digest that was asked for. `place` is for messages.
 * Throws EvidenceError ("malformed").
 */
export function readAttestedImages(bytes: Uint8Array, place: string): readonly AttestedImage[] | undefined {
  const fail = malformed(place);
  const value = parseJson(bytes, fail);
  if (typeof value !== "object" || value === null || !("manifests" in value)) return undefined;
  const { manifests } = conform(Index, value, fail);
  const attached = Map.groupBy(
    manifests.filter(({ annotations }) => annotations[KIND] === ATTESTATION),
    ({ annotations }) => annotations[SUBJECT] ?? "",
  );
  return (
    manifests
      // The platform alone keeps a machine from running it: an annotation on an image would only hide it from us.
      .filter(({ platform }) => platform?.os !== "unknown" || platform.architecture !== "unknown")
      .map(({ digest, platform }) => ({
        digest,
        platform: platform === undefined ? "an unnamed platform" : platformName(platform),
        attestations: (attached.get(digest) ?? []).map((each) => each.digest),
      }))
  );
}

/** The in-toto attestations of such a manifest, whose bytes have been looked at likewise. Throws EvidenceError ("malformed"). */
export function readAttestationLayers(bytes: Uint8Array, place: string): readonly AttestationLayer[] {
  return conform(Manifest, parseJson(bytes, malformed(place)), malformed(place))
    .layers.filter(({ mediaType }) => mediaType === IN_TOTO)
    .map(({ digest, annotations }) => ({ digest, predicateType: annotations[PREDICATE_TYPE] ?? "" }));
}

function platformName({
  os,
  architecture,
  variant,
}: {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}): string {
  return excerpt([os, architecture, variant].filter(Boolean).join("/"));
}

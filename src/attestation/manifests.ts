// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import type { Digest } from "../image/digest.ts";
import { excerpt } from "../log/excerpt.ts";
import { EvidenceError } from "./error.ts";
import { DigestText } from "../record/manifest.ts";

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

/**
 * The images of an index, each with what is attached to it; undefined for a plain manifest, to which nothing can be
 * attached. The caller has seen to it that the bytes have the digest that was asked for. `place` is for messages.
 * Throws EvidenceError ("malformed").
 */
export function readAttestedImages(bytes: Uint8Array, place: string): readonly AttestedImage[] | undefined {
  const value = parseJson(bytes, place);
  if (typeof value !== "object" || value === null || !("manifests" in value)) return undefined;
  const { manifests } = conform(Index, value, place);
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
  return conform(Manifest, parseJson(bytes, place), place)
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

function parseJson(bytes: Uint8Array, place: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new EvidenceError("malformed", `read ${place}: it is not JSON in UTF-8`, { cause });
  }
}

function conform<S extends v.GenericSchema>(schema: S, value: unknown, place: string): v.InferOutput<S> {
  const parsed = v.safeParse(schema, value, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new EvidenceError(
    "malformed",
    `read ${place}: "${excerpt(v.getDotPath(issue) ?? "document", 160)}": ${excerpt(issue.message, 160)}`,
  );
}

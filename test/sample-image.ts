// SPDX-License-Identifier: Apache-2.0
import { parseReference, type Reference } from "../src/image/reference.ts";
import { type Sha256, sha256 } from "../src/image/digest.ts";
import {
  EVIDENCE_PREDICATE_TYPE,
  type EvidencePredicate,
  formatEvidence,
} from "../src/attestation/predicate.ts";
import type { Served } from "./check/sample-courier.ts";

export const REGISTRY = "registry.example";
export const REPOSITORY = "team/app";

const INDEX = "application/vnd.oci.image.index.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** What is attached to an image of one platform. */
export interface SampleAttachment {
  readonly predicateType: string;
  /** Of the statement; that of the image that it is attached to when not given. */
  readonly subject?: string;
  readonly predicate: unknown;
  /** What the registry has in the place of the statement. */
  readonly instead?: Served | Error;
}

/** A built image in a registry, as `--push` leaves it there. */
export interface SampleImage {
  readonly reference: Reference;
  readonly digest: Sha256;
  /** The manifests of its platforms. */
  readonly manifests: readonly Sha256[];
  /** For `surroundings`. */
  readonly served: Readonly<Record<string, Served | Error>>;
}

/** Attachments with our evidence alone. */
export function evidenceAttachment(predicate: EvidencePredicate): SampleAttachment {
  const text = new TextDecoder().decode(formatEvidence(predicate));
  return { predicateType: EVIDENCE_PREDICATE_TYPE, predicate: JSON.parse(text) as unknown };
}

/** The manifest of one platform, whose bytes no other has. */
export function platformManifest(platform: string): Served & { readonly digest: Sha256 } {
  return document(MANIFEST, { schemaVersion: 2, config: { digest: sha256(platform) }, layers: [] });
}

/** An image with these attachments for each of its platforms; in one manifest, or each in one of its own. */
export function sampleImage(
  platforms: Readonly<Record<string, readonly SampleAttachment[]>>,
  { apart = false }: { readonly apart?: boolean } = {},
): SampleImage {
  const served: Record<string, Served | Error> = {};
  const put = (one: Served & { readonly digest: Sha256 }): Sha256 => {
    served[`${REGISTRY}/${REPOSITORY}:${one.digest}`] = one;
    return one.digest;
  };
  const listed: object[] = [];
  const manifests: Sha256[] = [];
  for (const [platform, attachments] of Object.entries(platforms)) {
    const [os, architecture, variant] = platform.split("/");
    const digest = put(platformManifest(platform));
    manifests.push(digest);
    listed.push({ mediaType: MANIFEST, digest, size: 1, platform: { os, architecture, variant } });
    const groups = apart ? attachments.map((each) => [each]) : [attachments];
    for (const group of groups.filter(({ length }) => length > 0)) {
      const layers = group.map((attachment) => layerOf(attachment, digest, served));
      const attached = put(document(MANIFEST, { schemaVersion: 2, config: { digest }, layers }));
      listed.push({
        mediaType: MANIFEST,
        digest: attached,
        size: 1,
        platform: { os: "unknown", architecture: "unknown" },
        annotations: {
          "vnd.docker.reference.type": "attestation-manifest",
          "vnd.docker.reference.digest": digest,
        },
      });
    }
  }
  const digest = put(document(INDEX, { schemaVersion: 2, mediaType: INDEX, manifests: listed }));
  return { reference: parseReference(`${REGISTRY}/${REPOSITORY}:1`), digest, manifests, served };
}

function layerOf(
  { predicateType, predicate, subject, instead }: SampleAttachment,
  image: string,
  served: Record<string, Served | Error>,
): object {
  const [algorithm = "", hex = ""] = (subject ?? image).split(":");
  const statement = {
    _type: "https://in-toto.io/Statement/v0.1",
    predicateType,
    subject: [{ name: `pkg:docker/${REGISTRY}/${REPOSITORY}@1`, digest: { [algorithm]: hex } }],
    predicate,
  };
  const blob = document("application/vnd.in-toto+json", statement);
  served[`${REGISTRY}/${REPOSITORY}@${blob.digest}`] = instead ?? blob;
  return {
    mediaType: blob.mediaType,
    digest: blob.digest,
    size: blob.bytes.length,
    annotations: { "in-toto.io/predicate-type": predicateType },
  };
}

function document(mediaType: string, value: object): Served & { readonly digest: Sha256 } {
  const bytes = Buffer.from(JSON.stringify(value));
  return { mediaType, bytes, digest: sha256(bytes) };
}

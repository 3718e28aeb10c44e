// SPDX-License-Identifier: Apache-2.0
import { json } from "@sigstore/core";
import * as v from "valibot";
import type { Digest } from "../image/digest.ts";
import { formatReference, parseReference, type Reference } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import { conform, isDeeper, parseJson } from "../log/foreign-json.ts";
import { DigestText, PLATFORM } from "../record/manifest.ts";
import { EvidenceError, malformed } from "./error.ts";

/**
 * What makes an attestation our evidence. An identifier, compared as text and never fetched. A change that old readers
 * must not overlook gets another number.
 */
export const EVIDENCE_PREDICATE_TYPE = "https://github.com/tlog-dockerfile/tlog-dockerfile/evidence/v1";
/** The same of any version. */
export const ANY_EVIDENCE_TYPE = /^https:\/\/github\.com\/tlog-dockerfile\/tlog-dockerfile\/evidence\/v\d+$/;

/** This frontend's version, as in package.json. */
export const VERSION = "0.1.0";

/** The longest predicate that is written or read, in bytes: some 400 records of common length. */
export const MAX_EVIDENCE_BYTES = 4 * 1024 * 1024;
/** The most images of one build, and the most records of one of them. */
export const MAX_EVIDENCE_IMAGES = 1000;
export const MAX_EVIDENCE_RECORDS = 1000;
/** A bundle has eight levels, and lies three deep. */
const MAX_DEPTH = 16;

const text = (description: string, maxLength = 1024) =>
  v.pipe(v.string(), v.maxLength(maxLength), v.description(description));

const EvidenceImage = v.pipe(
  v.object({
    reference: v.exactOptional(
      text(
        "The image's canonical name, with its tag if it has one, and without a digest; absent when the policy keeps it private",
      ),
    ),
    digest: v.exactOptional(v.pipe(DigestText, v.description("What the build used"))),
    platforms: v.pipe(
      v.array(v.pipe(v.string(), v.regex(PLATFORM))),
      v.maxLength(256),
      v.description("The platforms that were built with it, linux/amd64, …; empty when that was not known"),
    ),
    verdict: text("What was said of it when it was built: a verdict of the report", 64),
    bundles: v.pipe(
      v.array(v.unknown()),
      v.maxLength(MAX_EVIDENCE_RECORDS),
      v.description("The records that the verdict rests on, in log order, as Sigstore bundles v0.3"),
    ),
  }),
  v.description("One image that the build used"),
);

/** The predicate of the attestation, version 1. Fields that a later version adds are let through. */
export const EvidenceShape = v.pipe(
  v.object({
    frontend: v.pipe(
      v.object({ name: text("tlog-dockerfile", 64), version: text("As in its releases", 64) }),
      v.description("What judged the build"),
    ),
    policy: v.pipe(
      v.string(),
      v.regex(/^sha256:[0-9a-f]{64}$/),
      v.description("The sha256 of the policy in effect, as --call tlog.policy prints it"),
    ),
    images: v.pipe(
      v.array(EvidenceImage),
      v.maxLength(MAX_EVIDENCE_IMAGES),
      v.description("All images that the build used, in the order of their names"),
    ),
  }),
  v.title("tlog-dockerfile evidence"),
);

/** What a built image carries about the images that it was built from. Only its bundles prove anything. */
export type EvidencePredicate = v.InferOutput<typeof EvidenceShape>;
export type EvidenceImage = v.InferOutput<typeof EvidenceImage>;

/**
 * The predicate as bytes: canonical JSON (RFC 8785), the same for the same content. Throws EvidenceError
 * ("too-large", "malformed") for one that would not be read again.
 */
export function formatEvidence(predicate: EvidencePredicate): Uint8Array {
  // The library would write properties whose value is undefined.
  const plain: unknown = JSON.parse(JSON.stringify(predicate));
  const bytes = new TextEncoder().encode(json.canonicalize(plain));
  if (bytes.length > MAX_EVIDENCE_BYTES) {
    throw new EvidenceError(
      "too-large",
      `write the evidence of the build: it would have ${bytes.length} bytes, and the limit is ${MAX_EVIDENCE_BYTES}`,
    );
  }
  const tooMany = predicate.images.length > MAX_EVIDENCE_IMAGES;
  if (tooMany || predicate.images.some(({ bundles }) => bundles.length > MAX_EVIDENCE_RECORDS)) {
    throw new EvidenceError(
      "too-large",
      `write the evidence of the build: the limits are ${MAX_EVIDENCE_IMAGES} images, and ${MAX_EVIDENCE_RECORDS} records for each`,
    );
  }
  // Write only what we can read again.
  parseEvidence(plain, "the evidence of the build");
  return bytes;
}

/** Reads a predicate that was parsed from JSON. `place` is for messages. Throws EvidenceError ("malformed"). */
export function parseEvidence(value: unknown, place: string): EvidencePredicate {
  const fail = malformed(place);
  if (isDeeper(value, MAX_DEPTH)) throw fail(`it is nested deeper than ${MAX_DEPTH} levels`);
  const predicate = conform(EvidenceShape, value, fail, "predicate");
  for (const image of predicate.images) evidenceReference(image, place);
  return predicate;
}

/** The image with its digest; undefined when its name was kept private. Throws EvidenceError ("malformed"). */
export function evidenceReference(
  { reference, digest }: Pick<EvidenceImage, "reference" | "digest">,
  place: string,
): Reference | undefined {
  if (reference === undefined) return undefined;
  const whole = digest === undefined ? reference : `${reference}@${digest}`;
  try {
    const read = parseReference(whole);
    if (formatReference(read) === whole) return read;
  } catch {
    // Said below.
  }
  throw malformed(place)(`"${excerpt(reference)}" is not an image's canonical name`);
}

/** The largest statement that is read: BuildKit writes characters of JSON such as `<` six times as long. */
export const MAX_EVIDENCE_STATEMENT_BYTES = MAX_EVIDENCE_BYTES + 512 * 1024;

/** An in-toto statement as BuildKit writes it around a predicate: of version 0.1 or 1. */
const Statement = v.object({
  _type: v.picklist(["https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"]),
  predicateType: v.string(),
  subject: v.pipe(
    v.array(v.object({ digest: v.record(v.pipe(v.string(), v.maxLength(16)), v.string()) })),
    v.minLength(1, "is empty"),
    v.maxLength(1000),
  ),
  predicate: v.unknown(),
});

/**
 * Reads the statement that BuildKit made of our predicate, for the image's manifest of this digest. Throws
 * EvidenceError: "newer-version" for a predicate of another version, "wrong-image" when the statement is about another
 * manifest, "none" when it is no statement of ours, else "malformed" and "too-large". `place` is for messages.
 */
export function readEvidenceStatement(
  bytes: Uint8Array,
  { manifest, place }: { readonly manifest: Digest; readonly place: string },
): EvidencePredicate {
  if (bytes.length > MAX_EVIDENCE_STATEMENT_BYTES)
    throw new EvidenceError(
      "too-large",
      `read ${place}: it is longer than ${MAX_EVIDENCE_STATEMENT_BYTES} bytes`,
    );
  const fail = malformed(place);
  const value = parseJson(bytes, fail);
  const noStatement = (why: string) => fail(`it is no in-toto statement: ${why}`);
  const { predicateType, subject, predicate } = conform(Statement, value, noStatement, "statement");
  checkEvidenceType(predicateType, place);
  const [algorithm = "", hex = ""] = manifest.split(":");
  if (!subject.every(({ digest }) => digest[algorithm] === hex)) {
    const other = subject.find(({ digest }) => digest[algorithm] !== hex)?.digest[algorithm];
    throw new EvidenceError(
      "wrong-image",
      `read ${place}: it is about another image (${other === undefined ? "without such a digest" : `${algorithm}:${excerpt(other, 130)}`}), so it was moved here`,
    );
  }
  return parseEvidence(predicate, place);
}

/** Throws EvidenceError for any other predicate type than that of the version which is read here. */
export function checkEvidenceType(predicateType: string, place: string): void {
  if (predicateType === EVIDENCE_PREDICATE_TYPE) return;
  const said = `"${excerpt(predicateType, 160)}"`;
  throw ANY_EVIDENCE_TYPE.test(predicateType)
    ? new EvidenceError(
        "newer-version",
        `read ${place}: it is of the version ${said}, and this tlog-dockerfile reads "${EVIDENCE_PREDICATE_TYPE}" only; verify with the one that it was built with, or a newer one`,
      )
    : new EvidenceError("none", `read ${place}: it is ${said}, and no evidence of ours`);
}

// SPDX-License-Identifier: Apache-2.0
import { json } from "@sigstore/core";
import * as v from "valibot";
import { type Digest, type Sha256, sha256 } from "../image/digest.ts";
import { formatReference, parseReference, type Reference, taggedName } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import { conform, isDeeper } from "../log/foreign-json.ts";
import { RecordError } from "./error.ts";
import { DigestText, MAX_PLATFORMS, MEDIA_TYPE, PLATFORM, type PlatformManifest } from "./manifest.ts";
import { MAX_REASON_LENGTH, NO_REASON, REASON, TOO_LONG_REASON } from "./reason.ts";

/** The DSSE payload type of in-toto statements. */
export const IN_TOTO_PAYLOAD_TYPE = "application/vnd.in-toto+json";
const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
/**
 * What makes a statement a sighting. An identifier, compared as text and never fetched: it names no branch and
 * no file, so that moving the documentation never orphans a record, and it is an https URL because that is
 * what `cosign --type` takes. A change that old readers must not overlook gets another number.
 */
export const SIGHTING_PREDICATE_TYPE = "https://github.com/tlog-dockerfile/tlog-dockerfile/sighting/v1";

/** The longest statement written or read, in bytes. Logs store up to 100 KiB beside the tree. */
export const MAX_STATEMENT_BYTES = 64 * 1024;
const MAX_DEPTH = 16;

/** "This tag named this digest": the statement that is signed and logged. */
export interface Sighting {
  /** The canonical name of the tag, `docker.io/library/alpine:3.16.0`. */
  readonly reference: string;
  /** The digest of the manifest or index that the tag named. */
  readonly digest: Digest;
  /** Of the manifest or index; unknown when only the builder could see it. */
  readonly mediaType?: string;
  /** Of an index: its manifests in the index's order; empty for a plain manifest. */
  readonly platforms: readonly PlatformManifest[];
  /** When the registry was seen to serve it, in whole seconds. */
  readonly observedAt: Date;
  /** An approval: the digest that stood before, and that this one takes the place of. */
  readonly supersedes?: Digest;
  /** Why, in the approver's words: one line of at most MAX_REASON_LENGTH characters. */
  readonly reason?: string;
  /** An observer's sightings of a tag are numbered from 1 on, so that a gap shows. */
  readonly sequence?: number;
  /** Of a sequence above 1: sha256 of the statement before it, byte for byte. */
  readonly previous?: Sha256;
}

const Subject = v.strictObject({
  name: v.pipe(v.string(), v.maxLength(1024)),
  digest: v.record(v.picklist(["sha256", "sha384", "sha512"]), v.string()),
});

const AnyStatement = v.object({ predicateType: v.string() });

/** The statement of a sighting. What is not a matter of shape is checked behind it. */
export const StatementShape = v.strictObject({
  _type: v.literal(STATEMENT_TYPE),
  subject: v.strictTuple([Subject, Subject]),
  predicateType: v.literal(SIGHTING_PREDICATE_TYPE),
  // Unknown fields are accepted. Refusing them would hide every record that a later version writes, and then a moved
  // tag looks new. So a later field may only add to these; one that revokes something needs another predicate type.
  predicate: v.object({
    reference: v.pipe(v.string(), v.maxLength(1024)),
    digest: DigestText,
    mediaType: v.exactOptional(v.pipe(v.string(), v.regex(MEDIA_TYPE))),
    platforms: v.exactOptional(
      v.pipe(
        v.array(v.object({ platform: v.pipe(v.string(), v.regex(PLATFORM)), digest: DigestText })),
        v.maxLength(MAX_PLATFORMS),
      ),
    ),
    observedAt: v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)),
    supersedes: v.exactOptional(DigestText),
    reason: v.exactOptional(
      v.pipe(v.string(), v.maxLength(MAX_REASON_LENGTH, TOO_LONG_REASON), v.regex(REASON, NO_REASON)),
    ),
    sequence: v.exactOptional(
      v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(Number.MAX_SAFE_INTEGER)),
    ),
    previous: v.exactOptional(
      v.pipe(
        v.string(),
        v.regex(/^sha256:[0-9a-f]{64}$/, "is not a sha256"),
        v.transform((digest) => digest as Sha256),
      ),
    ),
  }),
});

/** The digest under which a log's index finds the sightings of a tag: sha256 of its canonical name. */
export function subjectHash(reference: Reference): Sha256 {
  return sha256(taggedName(reference));
}

function subjectsOf(reference: Reference, digest: Digest): object[] {
  return [
    subjectNamed(taggedName(reference), subjectHash(reference)),
    subjectNamed(repositoryName(reference), digest),
  ];
}

function subjectNamed(name: string, digest: Digest): object {
  const [algorithm = "", hex = ""] = digest.split(":");
  return { name, digest: { [algorithm]: hex } };
}

function repositoryName({ registry, repository }: Reference): string {
  return `${registry}/${repository}`;
}

/** The instant in RFC 3339, UTC, whole seconds: `2022-06-28T13:30:02Z`. */
function formatSeconds(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

/**
 * The sighting as the exact bytes to sign: an in-toto Statement v1 in canonical JSON (RFC 8785), whose first
 * subject is the tag's name under its own sha256 and whose second is the image. Throws RecordError when it
 * would be longer than MAX_STATEMENT_BYTES or is otherwise not one that `parseSighting` reads.
 */
export function sightingStatement(sighting: Sighting): Uint8Array {
  const { reference, digest, mediaType, platforms, observedAt, supersedes, reason, sequence, previous } =
    sighting;
  const statement = {
    _type: STATEMENT_TYPE,
    subject: subjectsOf(readTaggedName(reference), digest),
    predicateType: SIGHTING_PREDICATE_TYPE,
    predicate: {
      reference,
      digest,
      ...(mediaType !== undefined && { mediaType }),
      ...(platforms.length > 0 && {
        platforms: platforms.map(({ platform, digest: of }) => ({ platform, digest: of })),
      }),
      observedAt: formatSeconds(observedAt),
      ...(supersedes !== undefined && { supersedes }),
      ...(reason !== undefined && { reason }),
      ...(sequence !== undefined && { sequence }),
      ...(previous !== undefined && { previous }),
    },
  };
  const bytes = new TextEncoder().encode(json.canonicalize(statement));
  // What is logged stays for ever, so write only what we can read again.
  parseSighting(bytes);
  return bytes;
}

function malformed(why: string, cause?: unknown): RecordError {
  return new RecordError("malformed", `read a sighting: ${why}`, { cause });
}

function readStatement(bytes: Uint8Array): v.InferOutput<typeof StatementShape> {
  if (bytes.length > MAX_STATEMENT_BYTES) throw malformed(`it is longer than ${MAX_STATEMENT_BYTES} bytes`);
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed("it is not JSON in UTF-8", cause);
  }
  if (v.is(AnyStatement, value) && value.predicateType !== SIGHTING_PREDICATE_TYPE) {
    throw new RecordError("not-a-sighting", "read a sighting: the statement has another predicate type");
  }
  // Before anything that walks it recursively.
  if (isDeeper(value, MAX_DEPTH)) throw malformed(`it is nested deeper than ${MAX_DEPTH} levels`);
  // One reading for everybody: no duplicate keys, no second spelling of the same statement.
  if (json.canonicalize(value) !== text) throw malformed("it is not canonical JSON");

  return conform(StatementShape, value, malformed, "statement");
}

function readTaggedName(text: string): Reference {
  let reference: Reference;
  try {
    reference = parseReference(text);
  } catch (cause) {
    throw malformed(`its reference "${excerpt(text)}" is not an image reference`, cause);
  }
  if (formatReference(reference) !== text || reference.digest !== undefined || reference.tag === undefined) {
    throw malformed(`its reference "${excerpt(text)}" is not the canonical name of a tag`);
  }
  return reference;
}

function readSeconds(text: string): Date {
  const time = new Date(text);
  // The year, month and day must exist: JavaScript rolls the 30th of February over into March.
  if (Number.isNaN(time.getTime()) || formatSeconds(time) !== text) {
    throw malformed(`its time "${excerpt(text)}" does not exist`);
  }
  return time;
}

/**
 * Reads the payload of an envelope as a sighting, strictly: canonical JSON, no top-level field but the four of
 * a statement, a canonical reference with a tag and no digest, and both subjects as the predicate says.
 * Says nothing about who signed it. Throws RecordError: "not-a-sighting" for another predicate type, else "malformed".
 */
export function parseSighting(payload: Uint8Array): Sighting {
  const { subject, predicate } = readStatement(payload);
  const reference = readTaggedName(predicate.reference);
  if (json.canonicalize(subject) !== json.canonicalize(subjectsOf(reference, predicate.digest))) {
    throw malformed("its subjects are not the tag and the image that its predicate names");
  }
  const { sequence = 1, previous } = predicate;
  if (sequence > 1 !== (previous !== undefined))
    throw malformed('it has not both or neither of a "sequence" above 1 and a "previous"');
  return { platforms: [], ...predicate, observedAt: readSeconds(predicate.observedAt) };
}

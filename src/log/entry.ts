// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import * as v from "valibot";
import { excerpt } from "./excerpt.ts";
import { base64Text, conform, isCanonicalBase64 } from "./foreign-json.ts";

/** The longest body accepted, in characters of base64. An `intoto` body has one key or certificate and is small. */
export const MAX_BODY_LENGTH = 256 * 1024;
/** The longest stored attestation accepted, in characters of base64 (logs themselves store up to 100 KiB). */
export const MAX_ATTESTATION_LENGTH = 256 * 1024;
/** The most hashes in an inclusion proof: a tree of 2^63 leaves has no longer path. */
export const MAX_PROOF_HASHES = 64;
/** The longest checkpoint accepted, in characters; each witness of a log adds a line. */
const MAX_CHECKPOINT_LENGTH = 16 * 1024;
/** A signed note: origin, tree size, root hash, an empty line, signatures. */
export const CheckpointText = v.pipe(
  v.string(),
  v.maxLength(MAX_CHECKPOINT_LENGTH, `is longer than ${MAX_CHECKPOINT_LENGTH} characters`),
);

/** The media type of the Sigstore bundles that we write. */
export const BUNDLE_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";

/** An answer of a log that is not an entry. The message says which part is wrong. */
export class LogEntryError extends Error {
  override readonly name = "LogEntryError";
  readonly code = "malformed-entry";
}

const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "is not 64 lower-case hex digits"));
const count = v.pipe(v.number(), v.safeInteger("is not a whole number"), v.minValue(0, "is negative"));
const positive = v.pipe(v.number(), v.safeInteger("is not a whole number"), v.minValue(1, "is not positive"));

const AnsweredEntry = v.object({
  /** Base64 of the canonicalized body: the bytes of the leaf. */
  body: base64Text(MAX_BODY_LENGTH),
  /** Seconds since 1970-01-01T00:00:00Z. */
  integratedTime: positive,
  /** The index across all shards of the log: what the signed entry timestamp signs. */
  logIndex: count,
  /** Hex of the sha256 of the log's public key. */
  logID: hash,
  /** What the log stores beside the tree: for `intoto` the payload of the envelope, in base64. */
  attestation: v.optional(v.object({ data: v.optional(base64Text(MAX_ATTESTATION_LENGTH)) })),
  verification: v.object({
    inclusionProof: v.object({
      /** Hex, lowest level first (RFC 6962, 2.1.1). */
      hashes: v.pipe(
        v.array(hash),
        v.maxLength(MAX_PROOF_HASHES, `has more than ${MAX_PROOF_HASHES} hashes`),
      ),
      /** The index within the shard. */
      logIndex: count,
      rootHash: hash,
      treeSize: positive,
      checkpoint: CheckpointText,
    }),
    /** Base64 of the log's signature over body, integratedTime, logID and logIndex. */
    signedEntryTimestamp: base64Text(1024),
  }),
});

/** One entry as the API of Rekor v1 answers it (`LogEntry` of its OpenAPI document); nothing in it is verified. */
export interface LogEntry extends v.InferOutput<typeof AnsweredEntry> {
  /** 64 hex digits of the leaf's hash, after 16 of the tree's ID in all but the oldest answers. */
  readonly uuid: string;
}

/**
 * Reads one entry of a log's answer, bounded in size; fields that we do not use are dropped. Says nothing
 * about whether the entry is in the log. Throws LogEntryError.
 */
export function parseLogEntry(uuid: string, value: unknown): LogEntry {
  if (!/^(?:[0-9a-f]{16})?[0-9a-f]{64}$/.test(uuid)) {
    throw new LogEntryError(`read log entry "${excerpt(uuid, 80)}": its UUID is not 64 or 80 hex digits`);
  }
  const fail = (why: string) => new LogEntryError(`read log entry "${uuid}": ${why}`);
  return { uuid, ...conform(AnsweredEntry, value, fail, "the entry") };
}

/** The hash in hex of the leaf with this body (base64): sha256 of 0x00 and the body (RFC 6962, 2.1). */
export function leafHash(body: string): string {
  return createHash("sha256").update(Uint8Array.of(0)).update(Buffer.from(body, "base64")).digest("hex");
}

/** What a checkpoint says of the tree; the signatures below it are not looked at here. */
export interface TreeHead {
  /** The tree's ID as UUIDs carry it, 16 hex digits, when the origin ends in one: `rekor.example.org - 123`. */
  readonly treeId?: string;
  /** As the checkpoint spells it, so that comparing it needs no reading of numbers. */
  readonly treeSize: string;
  /** Hex. */
  readonly rootHash: string;
}

/** Reads origin, size and root of a checkpoint; `place` is for messages. Throws LogEntryError when it is not a signed note. */
export function treeHead(checkpoint: string, place: string): TreeHead {
  const [origin = "", treeSize = "", root = ""] = checkpoint.split("\n", 3);
  if (!checkpoint.includes("\n\n") || !/^\d{1,20}$/.test(treeSize) || !isCanonicalBase64(root)) {
    throw new LogEntryError(`read the checkpoint of ${place}: it is not a signed tree head`);
  }
  const id = / - (\d{1,19})$/.exec(origin)?.[1];
  const tree = id === undefined ? {} : { treeId: BigInt(id).toString(16).padStart(16, "0") };
  return { ...tree, treeSize, rootHash: Buffer.from(root, "base64").toString("hex") };
}

/**
 * Throws LogEntryError unless the UUID is the one of this body in this tree: an entry must not be shown under
 * a name that leads elsewhere.
 */
export function verifyUuid(entry: LogEntry): void {
  if (entry.uuid.slice(-64) !== leafHash(entry.body)) {
    throw new LogEntryError(`check log entry "${entry.uuid}": its UUID is not the hash of its body`);
  }
  if (entry.uuid.length === 64) return;
  const { treeId } = treeHead(entry.verification.inclusionProof.checkpoint, `log entry "${entry.uuid}"`);
  if (entry.uuid.slice(0, 16) !== treeId) {
    throw new LogEntryError(
      `check log entry "${entry.uuid}": its UUID names another tree than its checkpoint`,
    );
  }
}

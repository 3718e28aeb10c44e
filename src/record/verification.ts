// SPDX-License-Identifier: Apache-2.0
import { bundleFromJSON } from "@sigstore/bundle";
import { type KeyFinderFunc, toSignedEntity, VerificationError, Verifier } from "@sigstore/verify";
import { type Digest, sha256 } from "../image/digest.ts";
import { type Reference, taggedName } from "../image/reference.ts";
import { type LogEntry, LogEntryError, treeHead, verifyUuid } from "../log/entry.ts";
import { type Bundle, type LoggedEnvelope, readEnvelope, rebuildBundle } from "./bundle.ts";
import { RecordError, type RecordErrorCode } from "./error.ts";
import type { PlatformManifest } from "./manifest.ts";
import { signerName, type TrustedSigner } from "./signer.ts";
import { IN_TOTO_PAYLOAD_TYPE, parseSighting, type Sighting } from "./statement.ts";
import type { TrustedRoot } from "./trusted-root.ts";

/**
 * How far the log's time may be from the time of observation, either way.
 *
 * Anybody can take our envelope out of a log and log it again: the signature still holds, and the new entry has
 * a new UUID, index and proven time. A sighting from years ago would look like one of today, and count as such
 * wherever the original is not shown. The signed time of observation tells the copy apart. The window leaves room
 * for a builder's clock and for the time between looking and logging, and none for anything of use to a copyist.
 */
export const MAX_LOGGING_DELAY_SECONDS = 15 * 60;

/** A sighting that was proven to be in a transparency log and signed by somebody who counts. */
export interface Record {
  /** The canonical name of the tag, `docker.io/library/alpine:3.16.0`. */
  readonly reference: string;
  /** What the tag named. */
  readonly digest: Digest;
  readonly mediaType: string;
  /** Of an index: its manifests in the index's order; empty for a plain manifest. */
  readonly platforms: readonly PlatformManifest[];
  /** When the signer says to have seen it. */
  readonly observedAt: Date;
  /** The entry's UUID as the log shows it, the hash in it checked against the entry's body. */
  readonly uuid: string;
  /** The index in the whole log, as the log signed it. */
  readonly logIndex: bigint;
  /** Hex of the sha256 of the log's public key. */
  readonly logId: string;
  /** When the log says to have taken it in, as the log signed it. */
  readonly integratedTime: Date;
  readonly signer: TrustedSigner;
  /** The evidence, for anybody to verify again. */
  readonly bundle: Bundle;
}

/** Whose records count about which tag, and which logs are believed. */
export interface RecordContext {
  /** The tag asked about; a digest in it is not looked at. */
  readonly subject: Reference;
  readonly signers: readonly TrustedSigner[];
  readonly trustedRoot: TrustedRoot;
}

/** An entry that claims to be a record we want. Nothing of it is proven. */
export interface Candidate {
  readonly entry: LogEntry;
  readonly envelope: LoggedEnvelope;
  readonly signer: TrustedSigner;
  readonly sighting: Sighting;
}

/**
 * Verifies that an entry is a record: an in-toto sighting of the subject's tag, signed by one of the signers
 * about when it was logged, and proven to be in a log of the trusted root by its signed entry timestamp and by an
 * inclusion proof up to a signed checkpoint. Throws RecordError; the checks that cost little come first.
 */
export function verifyRecord(entry: LogEntry, context: RecordContext): Record {
  return proveRecord(readCandidate(entry, context), context.trustedRoot);
}

/**
 * The checks that need no cryptography but hashes: whether the entry claims to be what we look for. An entry by
 * a stranger is refused before anything else of it is read. Throws RecordError.
 */
export function readCandidate(entry: LogEntry, { subject, signers }: RecordContext): Candidate {
  const envelope = readEnvelope(entry);
  const signer = findSigner(entry, envelope, signers);
  checkUuid(entry);
  const sighting = parseSighting(readPayload(entry, envelope));
  checkSubject(entry, sighting, subject);
  checkLoggedWhenObserved(entry, sighting);
  return { entry, envelope, signer, sighting };
}

/** The checks of signatures and proofs. Throws RecordError. */
export function proveRecord(candidate: Candidate, trustedRoot: TrustedRoot): Record {
  const { entry, envelope, signer, sighting } = candidate;
  checkLogIsKnown(entry, trustedRoot);
  checkProofIsOfCheckpoint(entry);
  const bundle = rebuildBundle(entry, envelope, hintOf(signer));
  verifyBundle(bundle, candidate, trustedRoot);
  return {
    ...sighting,
    uuid: entry.uuid,
    logIndex: BigInt(entry.logIndex),
    logId: entry.logID,
    integratedTime: new Date(entry.integratedTime * 1000),
    signer,
    bundle,
  };
}

function refuse(entry: LogEntry, code: RecordErrorCode, why: string, cause?: unknown): RecordError {
  return new RecordError(code, `verify log entry "${entry.uuid}": ${why}`, { cause });
}

function findSigner(
  entry: LogEntry,
  { verifier }: LoggedEnvelope,
  signers: readonly TrustedSigner[],
): TrustedSigner {
  // By the bytes of the key: a stranger's key is never given to the cryptographic library.
  const fingerprint = verifier.label === "PUBLIC KEY" ? sha256(verifier.der) : undefined;
  const signer = signers.find((trusted) => trusted.fingerprint === fingerprint);
  if (signer !== undefined) return signer;
  const who = fingerprint === undefined ? "something else than a public key" : `the key ${fingerprint}`;
  throw refuse(entry, "untrusted-signer", `it is signed with ${who}, which is not trusted here`);
}

function checkUuid(entry: LogEntry): void {
  try {
    verifyUuid(entry);
  } catch (cause) {
    throw refuse(entry, "wrong-uuid", "it is shown under a UUID that is not its own", cause);
  }
}

function readPayload(entry: LogEntry, { payloadType, payloadHash }: LoggedEnvelope): Uint8Array {
  if (payloadType !== IN_TOTO_PAYLOAD_TYPE) {
    throw refuse(entry, "not-a-sighting", "its payload is not an in-toto statement");
  }
  const data = entry.attestation?.data;
  if (data === undefined) throw refuse(entry, "no-payload", "the log did not bring its statement");
  const payload = Buffer.from(data, "base64");
  if (sha256(payload) !== `sha256:${payloadHash}`) {
    throw refuse(entry, "wrong-payload", "the statement that came with it is not the one that was logged");
  }
  return payload;
}

function checkSubject(entry: LogEntry, sighting: Sighting, subject: Reference): void {
  const asked = taggedName(subject);
  if (sighting.reference === asked) return;
  throw refuse(entry, "wrong-subject", `it is about "${sighting.reference}", not about "${asked}"`);
}

function checkLoggedWhenObserved(entry: LogEntry, { observedAt }: Sighting): void {
  const delay = entry.integratedTime - observedAt.getTime() / 1000;
  if (Math.abs(delay) <= MAX_LOGGING_DELAY_SECONDS) return;
  const order = delay > 0 ? "after" : "before";
  throw refuse(
    entry,
    "replayed",
    `it was logged ${Math.abs(delay)} s ${order} it was observed, which is more than ${MAX_LOGGING_DELAY_SECONDS} s: a copy, or a builder's clock that is wrong`,
  );
}

function checkLogIsKnown(entry: LogEntry, { material, source }: TrustedRoot): void {
  const logId = Buffer.from(entry.logID, "hex");
  if (material.tlogs.some((log) => log.logID.equals(logId))) return;
  throw refuse(entry, "unknown-log", `its log "${entry.logID}" is not in the trusted root "${source}"`);
}

/**
 * The library takes root and size from the checkpoint alone and ignores those beside it. A bundle in which they
 * differ would be refused by other tools, so it is no evidence for us either.
 */
function checkProofIsOfCheckpoint(entry: LogEntry): void {
  const { rootHash, treeSize } = entry.verification.inclusionProof;
  const head = readTreeHead(entry);
  if (head.rootHash !== rootHash || head.treeSize !== String(treeSize)) {
    throw refuse(entry, "not-in-log", "its inclusion proof is for another tree than its checkpoint");
  }
}

function readTreeHead(entry: LogEntry): ReturnType<typeof treeHead> {
  try {
    return treeHead(entry);
  } catch (cause) {
    if (!(cause instanceof LogEntryError)) throw cause;
    throw refuse(entry, "not-in-log", "its checkpoint is not a signed tree head", cause);
  }
}

/** How a bundle names the key that verifies it: base64 of the fingerprint. */
function hintOf(signer: TrustedSigner): string {
  return Buffer.from(signer.fingerprint.slice("sha256:".length), "hex").toString("base64");
}

function verifyBundle(bundle: Bundle, { entry, signer }: Candidate, { material }: TrustedRoot): void {
  const publicKey: KeyFinderFunc = (hint) => {
    if (hint !== hintOf(signer)) throw refuse(entry, "untrusted-signer", "its bundle names another key");
    return { publicKey: signer.publicKey, validFor: () => true };
  };
  try {
    const verifier = new Verifier({ ...material, publicKey }, { tlogThreshold: 1, timestampThreshold: 1 });
    verifier.verify(toSignedEntity(bundleFromJSON(bundle)));
  } catch (cause) {
    // Whatever the library throws on a stranger's input, the entry is refused and the build goes on being checked.
    if (cause instanceof VerificationError && cause.code === "SIGNATURE_ERROR") {
      throw refuse(entry, "bad-signature", `it is not signed by ${signerName(signer)}`, cause);
    }
    const why = cause instanceof Error ? cause.message : "unknown";
    throw refuse(entry, "not-in-log", `its proof of being logged does not hold (${why})`, cause);
  }
}

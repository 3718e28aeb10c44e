// SPDX-License-Identifier: Apache-2.0
import { bundleFromJSON } from "@sigstore/bundle";
import { X509Certificate } from "@sigstore/core";
import { type KeyFinderFunc, toSignedEntity, VerificationError, Verifier } from "@sigstore/verify";
// The package has no other entry to this step alone.
import { verifyCertificate } from "@sigstore/verify/dist/key/index.js";
import { sha256 } from "../image/digest.ts";
import { type Reference, taggedName } from "../image/reference.ts";
import { type LogEntry, LogEntryError, treeHead, verifyUuid } from "../log/entry.ts";
import {
  type Bundle,
  type LoggedEnvelope,
  readEnvelope,
  rebuildBundle,
  type SignerMaterial,
} from "./bundle.ts";
import { RecordError, type RecordErrorCode } from "./error.ts";
import {
  type Permission,
  type Signer,
  signerName,
  type Trust,
  type TrustedIdentity,
  type TrustedKey,
} from "./signer.ts";
import { IN_TOTO_PAYLOAD_TYPE, parseSighting, type Sighting } from "./statement.ts";
import type { TrustedRoot } from "./trusted-root.ts";
import { findSigner } from "./trusted-signer.ts";

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
export interface Record extends Sighting {
  /** How a Rekor v1 log names the entry, the hash in it checked against the entry's body; the entries of v2 have no names. */
  readonly uuid?: string;
  /** The index in the whole log, proven. */
  readonly logIndex: bigint;
  /** Hex of the log's ID in the trusted root. */
  readonly logId: string;
  /** The log's base URL in the trusted root. */
  readonly logUrl: string;
  /** When it was there, proven: by the log's own signature (Rekor v1), or by a timestamp authority's (v2). */
  readonly loggedAt: Date;
  readonly signer: Signer;
  /** What the policy takes this signer's sightings for. */
  readonly may: ReadonlySet<Permission>;
  /** `tlogistry`: the log is all that says that it was signed. */
  readonly strength: "full" | "tlogistry";
  /** The evidence, for anybody to verify again; there is none of strength `tlogistry`. */
  readonly bundle?: Bundle;
}

/** Whose records count about which tag, and which logs are believed. */
export interface RecordContext {
  /** The tag asked about; a digest in it is not looked at. */
  readonly subject: Reference;
  readonly trust: readonly Trust[];
  readonly trustedRoot: TrustedRoot;
  /** The base URLs of the logs that count; all of the trusted root's when undefined. */
  readonly logs?: readonly string[];
}

/** An entry that claims to be a record we want. Nothing of it is proven. */
export interface Candidate {
  readonly entry: LogEntry;
  readonly envelope: LoggedEnvelope;
  readonly signer: Signer;
  readonly may: ReadonlySet<Permission>;
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
export function readCandidate(
  entry: LogEntry,
  { subject, trust, trustedRoot, logs }: RecordContext,
): Candidate {
  const envelope = readEnvelope(entry);
  const found = findSigner(envelope.verifier, trust);
  if ("stranger" in found) {
    throw refuse(entry, "untrusted-signer", `it is signed with ${found.stranger}, which is not trusted here`);
  }
  const { signer, may } = found;
  let payload: Uint8Array;
  try {
    checkUuid(entry);
    payload = readPayload(entry, envelope);
  } catch (error) {
    // That a trusted signer's statement is not shown is no small thing, so nobody else may be able to cause it.
    checkCertificate(entry, { envelope, signer }, trustedRoot);
    throw error;
  }
  const sighting = parseSighting(payload);
  checkSubject(entry, sighting, subject);
  checkLoggedWhenObserved(entry, sighting);
  checkLogIsNamed(entry, { trustedRoot, logs });
  return { entry, envelope, signer, may, sighting };
}

/** The checks of signatures and proofs. Throws RecordError. */
export function proveRecord(candidate: Candidate, trustedRoot: TrustedRoot): Record {
  const { entry, envelope, signer, may, sighting } = candidate;
  checkCertificate(entry, candidate, trustedRoot);
  const log = findLog(entry, trustedRoot);
  checkProofIsOfCheckpoint(entry);
  const bundle = rebuildBundle(entry, envelope, materialOf(candidate));
  verifyBundle(bundle, candidate, trustedRoot);
  return {
    ...sighting,
    uuid: entry.uuid,
    logIndex: BigInt(entry.logIndex),
    logId: entry.logID,
    logUrl: log.baseURL,
    loggedAt: new Date(entry.integratedTime * 1000),
    signer,
    may,
    strength: "full",
    bundle,
  };
}

function refuse(entry: LogEntry, code: RecordErrorCode, why: string, cause?: unknown): RecordError {
  return new RecordError(code, `verify log entry "${entry.uuid}": ${why}`, { cause });
}

/**
 * Whether the name in a certificate is proven: by a chain to a trusted authority that held when the log took the
 * entry in, and by a certificate log. Logs do not look at it, so that anybody can log an entry whose certificate
 * names whom they like. Keys need no such proof: a log takes no entry that is not signed with the key in it.
 */
function checkCertificate(
  entry: LogEntry,
  { envelope, signer }: Pick<Candidate, "envelope" | "signer">,
  { material, source }: TrustedRoot,
): void {
  if (signer.kind === "key") return;
  const fail = (why: string, cause?: unknown) =>
    refuse(entry, "bad-certificate", `its certificate of ${signerName(signer)} does not hold: ${why}`, cause);
  let proven;
  try {
    const certificate = X509Certificate.parse(Buffer.from(envelope.verifier.der));
    const publicKey: KeyFinderFunc = () => {
      throw fail("it is a key");
    };
    proven = verifyCertificate(certificate, [new Date(entry.integratedTime * 1000)], {
      ...material,
      publicKey,
    });
  } catch (cause) {
    throw fail(`${reasonOf(cause)}, by the trusted root "${source}"`, cause);
  }
  if (proven.scts.length === 0) throw fail("it has no proof of being in a certificate log (SCT)");
}

/** The innermost of the library's reasons. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "it cannot be read";
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
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

function findLog(entry: LogEntry, { material, source }: TrustedRoot): TrustedRoot["material"]["tlogs"][0] {
  const log = logOf(entry, material);
  if (log !== undefined) return log;
  throw refuse(entry, "unknown-log", `its log "${entry.logID}" is not in the trusted root "${source}"`);
}

function checkLogIsNamed(
  entry: LogEntry,
  { trustedRoot, logs }: { readonly trustedRoot: TrustedRoot; readonly logs: RecordContext["logs"] },
): void {
  const log = logOf(entry, trustedRoot.material);
  const slashless = (url: string): string => url.replace(/\/+$/, "");
  if (log === undefined || (logs?.map(slashless).includes(slashless(log.baseURL)) ?? true)) return;
  throw refuse(entry, "unnamed-log", `the policy does not name its log "${log.baseURL}"`);
}

function logOf(entry: LogEntry, { tlogs }: TrustedRoot["material"]): (typeof tlogs)[0] | undefined {
  const logId = Buffer.from(entry.logID, "hex");
  return tlogs.find((each) => each.logID.equals(logId));
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
function hintOf(key: TrustedKey): string {
  return Buffer.from(key.fingerprint.slice("sha256:".length), "hex").toString("base64");
}

function materialOf({ envelope, signer }: Candidate): SignerMaterial {
  switch (signer.kind) {
    case "key":
      return { publicKey: { hint: hintOf(signer) } };
    case "identity":
      return { certificate: { rawBytes: Buffer.from(envelope.verifier.der).toString("base64") } };
  }
}

function verifyBundle(bundle: Bundle, { entry, signer }: Candidate, { material }: TrustedRoot): void {
  const publicKey: KeyFinderFunc = (hint) => {
    if (signer.kind !== "key" || hint !== hintOf(signer))
      throw refuse(entry, "untrusted-signer", "its bundle names another key");
    return { publicKey: signer.publicKey, validFor: () => true };
  };
  const thresholds = { tlogThreshold: 1, ctlogThreshold: 1, timestampThreshold: 1 };
  let proven;
  try {
    const verifier = new Verifier({ ...material, publicKey }, thresholds);
    proven = verifier.verify(toSignedEntity(bundleFromJSON(bundle)));
  } catch (cause) {
    // Whatever the library throws on a stranger's input, the entry is refused and the build goes on being checked.
    if (cause instanceof VerificationError && cause.code === "SIGNATURE_ERROR") {
      throw refuse(entry, "bad-signature", `it is not signed by ${signerName(signer)}`, cause);
    }
    const why = cause instanceof Error ? cause.message : "unknown";
    throw refuse(entry, "not-in-log", `its proof of being logged does not hold (${why})`, cause);
  }
  if (signer.kind === "identity") checkIdentity(entry, proven.identity, signer);
}

/** The library's own comparison takes a pattern that may stand anywhere in the name, so it is not used. */
function checkIdentity(
  entry: LogEntry,
  proven: ReturnType<Verifier["verify"]>["identity"],
  { issuer, identity }: TrustedIdentity,
): void {
  if (proven?.subjectAlternativeName === identity && proven.extensions?.issuer === issuer) return;
  throw refuse(entry, "untrusted-signer", "its certificate names somebody else when it is verified");
}

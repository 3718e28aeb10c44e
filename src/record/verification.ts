// SPDX-License-Identifier: Apache-2.0
import type { Reference } from "../image/reference.ts";
import type { LogEntry } from "../log/entry.ts";
import type { Bundle } from "./bundle.ts";
import { type Candidate, proveSigned, readBundle, readEntry, readKind } from "./candidate.ts";
import type { Claim } from "./claim.ts";
import { proveSameContent } from "./content-proof.ts";
import { checkProof, findLog, proveInclusion } from "./log-proof.ts";
import type { Permission, Signer, Trust } from "./signer.ts";
import type { Sighting } from "./statement.ts";
import { proveTimestamps } from "./time-proof.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";

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

/**
 * Verifies that an entry of a Rekor v1 log is a record: an in-toto sighting of the subject's tag, signed by somebody
 * trusted about when it was logged, and proven to be in a log of the trusted root. Throws RecordError; the checks that
 * cost little come first.
 */
export function verifyRecord(entry: LogEntry, context: RecordContext): Record {
  return proveRecord(readEntry(entry, readKind(entry), context), context.trustedRoot);
}

/**
 * The same of a Sigstore bundle v0.3 (parsed JSON), of a Rekor v1 log or a v2 one. `place` is where it came from, for
 * messages: `tlog.lock:12`. Throws RecordError.
 */
export function verifyBundle(bundle: unknown, context: RecordContext, place: string): Record {
  return proveRecord(readBundle(bundle, place, context), context.trustedRoot);
}

/**
 * The list of proofs, each with Sigstore's own library as far as that goes, so that other tools take what we take.
 * Throws RecordError.
 */
export function proveRecord({ claim, sighting, may, loggedAt }: Candidate, trustedRoot: TrustedRoot): Record {
  const { place, uuid, bundle, body, signer } = claim;
  const [entry] = bundle.verificationMaterial.tlogEntries;
  const api = body.kind === "hashedrekord" ? 2 : 1;
  const times = provenTimes(claim, trustedRoot);
  proveSigned(claim, [loggedAt, ...times], trustedRoot);
  const log = findLog({ place, entry }, loggedAt, trustedRoot);
  checkProof({ place, entry }, { log, api, at: loggedAt });
  proveInclusion({ place, entry }, log, trustedRoot);
  return {
    ...sighting,
    ...(uuid !== undefined && { uuid }),
    logIndex: BigInt(entry.logIndex),
    logId: log.logID.toString("hex"),
    logUrl: log.baseURL,
    loggedAt,
    signer,
    may,
    strength: "full",
    bundle,
  };
}

/**
 * The times of the timestamps beside an entry that is about the envelope. That they do not hold is counted only of what
 * a trusted signer signed.
 */
function provenTimes(claim: Claim, trustedRoot: TrustedRoot): readonly Date[] {
  try {
    proveSameContent(claim);
    return proveTimestamps(claim, trustedRoot);
  } catch (error) {
    proveSigned(claim, "issued", trustedRoot);
    throw error;
  }
}

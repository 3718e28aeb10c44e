// SPDX-License-Identifier: Apache-2.0
import { bundleFromJSON, ValidationError } from "@sigstore/bundle";
import { toSignedEntity, VerificationError, Verifier } from "@sigstore/verify";
import type { KeyObject } from "node:crypto";
import type { Reference } from "../image/reference.ts";
import type { LogEntry } from "../log/entry.ts";
import type { Bundle } from "./bundle.ts";
import { type Candidate, readBundle, readEntry, readKind } from "./candidate.ts";
import { proveCertificate } from "./certificate-proof.ts";
import { type Claim, reasonOf, refusal } from "./claim.ts";
import { proveSameContent, proveSignature } from "./content-proof.ts";
import type { RecordErrorCode } from "./error.ts";
import { checkProof, findLog } from "./log-proof.ts";
import type { Permission, Signer, Trust } from "./signer.ts";
import type { Sighting } from "./statement.ts";
import { proveTimestamps } from "./time-proof.ts";
import type { TrustedRoot } from "./trusted-root.ts";

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

/** The list of proofs. Throws RecordError. */
export function proveRecord({ claim, sighting, may, loggedAt }: Candidate, trustedRoot: TrustedRoot): Record {
  const { place, uuid, bundle, body, signer } = claim;
  const [entry] = bundle.verificationMaterial.tlogEntries;
  const api = body.kind === "hashedrekord" ? 2 : 1;
  const certified = { place, signer, verifier: body.verifier };
  // A timestamp is proven only further down, by what a trusted signer signed.
  const key = proveCertificate(certified, api === 1 ? loggedAt : "issued", trustedRoot);
  proveSignature(claim, key);
  proveSameContent(claim);
  const log = findLog({ place, entry }, loggedAt, trustedRoot);
  proveTimestamps(claim, trustedRoot);
  if (api === 2) proveCertificate(certified, loggedAt, trustedRoot);
  checkProof({ place, entry }, { log, api, at: loggedAt });
  proveWithLibrary(claim, key, trustedRoot);
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

/** What the library's reasons are called here. */
const CODES: { readonly [code: string]: RecordErrorCode } = {
  TIMESTAMP_ERROR: "bad-timestamp",
  CERTIFICATE_ERROR: "bad-certificate",
  TLOG_BODY_ERROR: "wrong-entry",
  SIGNATURE_ERROR: "bad-signature",
};

/**
 * Everything once more as Sigstore's own library does it for every user: so that whatever we take, others take too. The
 * log's signatures (signed entry timestamp, checkpoint) and the path from the leaf to the root are proven here alone.
 */
function proveWithLibrary({ place, bundle, signer }: Claim, key: KeyObject, { material }: TrustedRoot): void {
  const publicKey = () => ({ publicKey: key, validFor: () => true });
  const thresholds = { tlogThreshold: 1, ctlogThreshold: 1, timestampThreshold: 1 };
  let proven;
  try {
    const verifier = new Verifier({ ...material, publicKey }, thresholds);
    proven = verifier.verify(toSignedEntity(bundleFromJSON(bundle)));
  } catch (cause) {
    // Whatever the library throws on a stranger's input, it is refused and the build goes on being checked.
    const code = cause instanceof VerificationError ? CODES[cause.code] : undefined;
    if (cause instanceof ValidationError)
      throw refusal(place, "malformed", `it is not a bundle: ${cause.message}`, cause);
    throw refusal(
      place,
      code ?? "not-in-log",
      `its proof of being logged does not hold (${reasonOf(cause)})`,
      cause,
    );
  }
  if (signer.kind === "key") return;
  // The library's own comparison takes a pattern that may stand anywhere in the name, so it is not used. It does not
  // read user names (otherName) and says then that there is none.
  const { subjectAlternativeName = signer.identity, extensions } = proven.identity ?? {};
  if (signer.identity === subjectAlternativeName && signer.issuer === extensions?.issuer) return;
  throw refusal(place, "untrusted-signer", "its certificate names somebody else when it is verified");
}

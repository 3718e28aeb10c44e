// SPDX-License-Identifier: Apache-2.0
import { sha256 } from "../image/digest.ts";
import { taggedName } from "../image/reference.ts";
import { leafHash, type LogEntry, LogEntryError, parseLogEntry, verifyUuid } from "../log/entry.ts";
import { parseBundle, rebuildBundle, type SignerMaterial } from "./bundle.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";
import { RecordError, type RecordErrorCode, refusal, UNPROVEN } from "./error.ts";
import {
  type IntotoBody,
  type NamedBody,
  readIntotoBody,
  readLoggedBody,
  readNamedBody,
} from "./logged-body.ts";
import { checkLogIsNamed, claimedTime, proveCertificate, proveSigned, readTreeHead } from "./proofs.ts";
import type { Candidate, Claim, Evidence, RecordContext } from "./record.ts";
import { type Permission, type Signer, signerId, type TrustedIdentity } from "./signer.ts";
import { IN_TOTO_PAYLOAD_TYPE, parseSighting } from "./statement.ts";
import { anySigner, findSigner, type Granted, identityOf, type Verifier } from "./trusted-signer.ts";

/**
 * How far the proven time may be from the time of observation, either way.
 *
 * Anybody can take our envelope out of a log and log it again: the signature still holds, and the new entry has
 * a new UUID, index and proven time. A sighting from years ago would look like one of today, and count as such
 * wherever the original is not shown. The signed time of observation tells the copy apart. The window leaves room
 * for a builder's clock and for the time between looking and logging, and none for anything of use to a copyist.
 */
export const MAX_LOGGING_DELAY_SECONDS = 15 * 60;

/**
 * What an entry of a Rekor v1 log claims, by the checks that need no cryptography but hashes. An entry by a stranger
 * is refused before anything else of it is read. Throws RecordError.
 */
export function readEntry(entry: LogEntry, named: NamedBody, context: RecordContext): Candidate {
  const { claim, may } = claimInEntry(entry, named, context);
  return readClaim(claim, may, context);
}

/**
 * What an entry of a Rekor v1 log claims, whatever its statement says, if its signer counts; and what that signer may do.
 * Nothing is proven. Throws RecordError.
 */
export function claimInEntry(
  entry: LogEntry,
  named: NamedBody,
  context: Pick<RecordContext, "trust" | "strangers" | "trustedRoot">,
): Trusted {
  const place = placeOf(entry);
  const body = readIntotoBody(named, place);
  const { signer, may } = grantedSigner(place, body.verifier, context);
  const payload = readPayload(entry, { ...body, signer }, context.trustedRoot);
  const bundle = rebuildBundle(entry, body, { payload, signer: materialOf(signer, body.verifier) });
  return { claim: { place, uuid: entry.uuid, bundle, body, signer }, may };
}

/** A claim by somebody who counts. */
interface Trusted {
  readonly claim: Claim;
  readonly may: ReadonlySet<Permission>;
}

/** The name of an entry of a log in messages. */
export function placeOf({ uuid }: Pick<LogEntry, "uuid">): string {
  return `log entry "${uuid}"`;
}

/** Reads an entry of a log as far as its kind. Throws RecordError ("malformed"). */
export function readKind(entry: LogEntry): NamedBody {
  return readNamedBody(entry.body, placeOf(entry));
}

/** What a bundle claims; `source` is where it came from. Throws RecordError. */
export function readBundle(value: unknown, source: string, context: RecordContext): Candidate {
  const { claim, may } = claimInBundle(value, source, context);
  try {
    return readClaim({ ...claim, ...uuidOf(claim) }, may, context);
  } catch (error) {
    // As with an entry: only the signer may be able to make a tag unknown.
    if (error instanceof RecordError && UNPROVEN.has(error.code))
      proveSigned(claim, "issued", context.trustedRoot);
    throw error;
  }
}

/**
 * What a bundle claims, whatever its statement says, if its signer counts; and what that signer may do. Nothing is proven.
 * Throws RecordError.
 */
export function claimInBundle(
  value: unknown,
  source: string,
  context: Pick<RecordContext, "trust" | "strangers">,
): Trusted {
  const place = `the bundle in ${source}`;
  const bundle = parseBundle(value, place);
  const [entry] = bundle.verificationMaterial.tlogEntries;
  const body = readLoggedBody(readNamedBody(entry.canonicalizedBody, place), place);
  // The entry's signer, not the bundle's: a bundle has only a name for a key, which anybody can choose.
  const { signer, may } = grantedSigner(place, body.verifier, context);
  return { claim: { place, bundle, body, signer }, may };
}

/** The entry's name in a Rekor v1 log: the tree's ID, which is in its checkpoint, and the hash of its leaf. */
function uuidOf({ place, bundle, body }: Claim): { uuid?: string } {
  if (body.kind === "hashedrekord") return {};
  const [entry] = bundle.verificationMaterial.tlogEntries;
  const { treeId = "" } = readTreeHead({ place, entry });
  return { uuid: treeId + leafHash(entry.canonicalizedBody) };
}

/** The checks that entries and bundles have in common. */
function readClaim(
  claim: Claim,
  may: ReadonlySet<Permission>,
  { subject, trustedRoot, logs }: RecordContext,
): Candidate {
  const { place, bundle } = claim;
  const loggedAt = claimedTime(claim);
  if (bundle.dsseEnvelope.payloadType !== IN_TOTO_PAYLOAD_TYPE)
    throw refusal(place, "not-a-sighting", "its payload is not an in-toto statement");
  const sighting = parseSighting(Buffer.from(bundle.dsseEnvelope.payload, "base64"));
  const asked = taggedName(subject);
  if (sighting.reference !== asked)
    throw refusal(place, "wrong-subject", `it is about "${sighting.reference}", not about "${asked}"`);
  checkLoggedWhenObserved(place, { loggedAt, observedAt: sighting.observedAt });
  checkLogIsNamed({ place, entry: bundle.verificationMaterial.tlogEntries[0] }, logs, trustedRoot);
  return { claim, sighting, may, loggedAt };
}

/** An ID that copies of one signer's statement share; anybody can log copies. */
export function statementId({ signer, bundle }: Claim): string {
  // Not the signature: anybody can turn a valid ECDSA signature into a second valid one.
  return `${signerId(signer)} ${sha256(Buffer.from(bundle.dsseEnvelope.payload, "base64"))}`;
}

/** The signer, if it counts. Throws RecordError ("untrusted-signer"). */
function grantedSigner(
  place: string,
  verifier: Verifier,
  { trust, strangers }: Pick<RecordContext, "trust" | "strangers">,
): Granted {
  const found = strangers ? anySigner(verifier) : findSigner(verifier, trust);
  if (!("stranger" in found)) return found;
  throw refusal(place, "untrusted-signer", `it is signed with ${found.stranger}, which is not trusted here`);
}

/**
 * The statement (base64) that a log stored beside an entry of a trusted signer. Throws RecordError: "wrong-uuid" for an
 * entry that is shown under a name that leads elsewhere, "no-payload", "wrong-payload"; "bad-certificate" before them.
 */
export function readPayload(
  entry: LogEntry,
  {
    signer,
    verifier,
    payloadHash,
  }: Pick<IntotoBody, "verifier" | "payloadHash"> & { readonly signer: Signer },
  trustedRoot: TrustedRoot,
): string {
  const place = placeOf(entry);
  const fail = (code: RecordErrorCode, why: string, cause?: unknown) => {
    // Verify the signer first, so that strangers cannot make a tag unknown.
    proveCertificate({ place, signer, verifier }, [new Date(entry.integratedTime * 1000)], trustedRoot);
    return refusal(place, code, why, cause);
  };
  try {
    verifyUuid(entry);
  } catch (cause) {
    if (!(cause instanceof LogEntryError)) throw cause;
    throw fail("wrong-uuid", "it is shown under a UUID that is not its own", cause);
  }
  const data = entry.attestation?.data;
  if (data === undefined) throw fail("no-payload", "the log did not bring its statement");
  if (sha256(Buffer.from(data, "base64")) === `sha256:${payloadHash}`) return data;
  throw fail("wrong-payload", "the statement that came with it is not the one that was logged");
}

/** Throws RecordError ("replayed") for a claim that was logged at another time than it says of itself. */
export function checkLoggedWhenObserved(
  place: string,
  { loggedAt, observedAt }: { readonly loggedAt: Date; readonly observedAt: Date },
): void {
  const delay = (loggedAt.getTime() - observedAt.getTime()) / 1000;
  if (Math.abs(delay) <= MAX_LOGGING_DELAY_SECONDS) return;
  const order = delay > 0 ? "after" : "before";
  const why = `it was logged ${Math.abs(delay)} s ${order} it was observed, which is more than ${MAX_LOGGING_DELAY_SECONDS} s: a copy, or a builder's clock that is wrong`;
  throw refusal(place, "replayed", why);
}

/** The signer as a bundle has it; a key by the name that other tools give it, base64 of its fingerprint. */
function materialOf(signer: Signer, { der }: Verifier): SignerMaterial {
  switch (signer.kind) {
    case "key":
      return {
        publicKey: {
          hint: Buffer.from(signer.fingerprint.slice("sha256:".length), "hex").toString("base64"),
        },
      };
    case "identity":
      return { certificate: { rawBytes: Buffer.from(der).toString("base64") } };
  }
}

/**
 * The identity in the certificate that signed this statement in one of these pieces of evidence; undefined when none has
 * the statement, or a key signed it. Only this certificate says for certain which identity an authority derives from a
 * token. Nothing is proven here; the history does that.
 */
export function writtenBy(evidence: readonly Evidence[], statement: Uint8Array): TrustedIdentity | undefined {
  for (const each of evidence) {
    const certificate = certificateOver(each, statement);
    const named = certificate && identityOf(certificate);
    if (named !== undefined) return { kind: "identity", ...named };
  }
  return undefined;
}

/** The certificate (DER) that comes with exactly this statement. */
function certificateOver(evidence: Evidence, statement: Uint8Array): Uint8Array | undefined {
  try {
    switch (evidence.kind) {
      case "entry": {
        const logged = parseLogEntry(evidence.uuid, evidence.entry);
        const { payloadHash, verifier } = readIntotoBody(readKind(logged), placeOf(logged));
        const isSame = sha256(statement) === `sha256:${payloadHash}`;
        return isSame && verifier.label === "CERTIFICATE" ? verifier.der : undefined;
      }
      case "bundle": {
        const { dsseEnvelope, verificationMaterial } = parseBundle(evidence.bundle, evidence.place);
        const isSame = Buffer.from(dsseEnvelope.payload, "base64").equals(statement);
        const { certificate } = verificationMaterial;
        return isSame && certificate ? Buffer.from(certificate.rawBytes, "base64") : undefined;
      }
    }
  } catch (error) {
    if (error instanceof RecordError || error instanceof LogEntryError) return undefined;
    throw error;
  }
}

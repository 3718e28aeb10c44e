// SPDX-License-Identifier: Apache-2.0
import { dsse, RFC3161Timestamp, X509Certificate } from "@sigstore/core";
import { TransparencyLogEntry } from "@sigstore/protobuf-specs";
import type { KeyFinderFunc } from "@sigstore/verify";
// The package exports none of these three steps alone.
import { verifyCertificate } from "@sigstore/verify/dist/key/index.js";
import { getTSATimestamp } from "@sigstore/verify/dist/timestamp/index.js";
import { verifyTLogInclusion } from "@sigstore/verify/dist/tlog/index.js";
import { createHash, type KeyObject, verify } from "node:crypto";
import { LogEntryError, treeHead } from "../log/entry.ts";
import { sameUrl } from "../log/json-api.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";
import type { Bundle, BundledEntry } from "./bundle.ts";
import { refusal } from "./error.ts";
import type { LoggedBody } from "./logged-body.ts";
import type { Candidate, Claim, TagRecord } from "./record.ts";
import { type Signer, signerName } from "./signer.ts";
import type { Verifier } from "./trusted-signer.ts";

/** A log of the trusted root. */
type KnownLog = TrustedRoot["material"]["tlogs"][0];

/** An entry and its name in messages. */
interface PlacedEntry {
  readonly place: string;
  readonly entry: BundledEntry;
}

/** Rekor v2's name for the only kind of key that we sign with and it accepts. */
const P256 = "PKIX_ECDSA_P256_SHA_256";

/**
 * Proves a candidate, each step with Sigstore's own library where it has one, so that other tools accept what we accept.
 * Throws RecordError.
 */
export function proveRecord(
  { claim, sighting, may, loggedAt }: Candidate,
  trustedRoot: TrustedRoot,
): TagRecord {
  const { uuid, bundle, signer } = claim;
  return {
    ...sighting,
    ...(uuid !== undefined && { uuid }),
    ...proveClaim(claim, loggedAt, trustedRoot),
    signer,
    may,
    strength: "full",
    bundle,
  };
}

/**
 * Proves that the signer of a claim signed its statement, whatever that says, and that a log took it in at this time. Throws
 * RecordError.
 */
export function proveClaim(
  claim: Claim,
  loggedAt: Date,
  trustedRoot: TrustedRoot,
): ReturnType<typeof proveLogged> {
  const { place, bundle, body } = claim;
  const [entry] = bundle.verificationMaterial.tlogEntries;
  const times = provenTimes(claim, trustedRoot);
  proveSigned(claim, [loggedAt, ...times], trustedRoot);
  return proveLogged({ place, entry }, { api: body.kind === "hashedrekord" ? 2 : 1, loggedAt }, trustedRoot);
}

/**
 * The times of the timestamps, once the entry is proven to be about the envelope. A failure here counts only if a trusted
 * signer signed the envelope.
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

/**
 * Proves that the signer signed: first the certificate at these times, if there is one, then the signature (DSSE). Throws
 * RecordError: "bad-certificate", "bad-signature".
 */
export function proveSigned(claim: Claim, at: readonly Date[] | "issued", trustedRoot: TrustedRoot): void {
  const { place, signer, body, bundle } = claim;
  const key = proveCertificate({ place, signer, verifier: body.verifier }, at, trustedRoot);
  const signature = Buffer.from(bundle.dsseEnvelope.signatures[0].sig, "base64");
  let holds = false;
  try {
    // The hash follows from the key's kind: SHA-256, and none for Ed25519.
    holds = verify(undefined, signedBytes(bundle), key, signature);
  } catch {
    // OpenSSL throws for a signature that it cannot decode.
  }
  if (!holds) throw refusal(place, "bad-signature", `it is not signed by ${signerName(signer)}`);
}

/**
 * Proves the name in a certificate: by a chain to a trusted authority that held at all of these times (`issued`: at the
 * start of the certificate's own validity, which proves that it was issued and not when it was used), and by a
 * certificate log. Transparency logs do not check this, so anybody can log an entry whose certificate names anybody.
 * Returns the key that signed. Keys need no such proof. Throws RecordError ("bad-certificate").
 */
export function proveCertificate(
  {
    place,
    signer,
    verifier,
  }: { readonly place: string; readonly signer: Signer; readonly verifier: Verifier },
  at: readonly Date[] | "issued",
  { material, source }: TrustedRoot,
): KeyObject {
  if (signer.kind === "key") return signer.publicKey;
  const fail = (why: string, cause?: unknown) =>
    refusal(
      place,
      "bad-certificate",
      `its certificate of ${signerName(signer)} does not hold: ${why}`,
      cause,
    );
  const publicKey: KeyFinderFunc = () => {
    throw fail("it is a key");
  };
  let proven: ReturnType<typeof verifyCertificate>;
  try {
    const certificate = X509Certificate.parse(Buffer.from(verifier.der));
    const times = at === "issued" ? [certificate.notBefore] : [...at];
    proven = verifyCertificate(certificate, times, { ...material, publicKey });
  } catch (cause) {
    throw fail(`${reasonOf(cause)}, by the trusted root "${source}"`, cause);
  }
  if (proven.scts.length === 0) throw fail("it has no proof of being in a certificate log (SCT)");
  // The library does not read user names (otherName) and reports none for them.
  const { subjectAlternativeName = signer.identity, extensions } = proven.signer.identity ?? {};
  if (subjectAlternativeName !== signer.identity || extensions?.issuer !== signer.issuer)
    throw fail("it names somebody else when it is verified");
  return proven.signer.key;
}

/**
 * Proves that the log's entry is about this envelope, signature and signer, and about nothing else. Throws RecordError
 * ("wrong-entry").
 *
 * The library compares hash and signature. It does not compare the key, which other tools do: an entry that was logged
 * under another key would prove to them that somebody else signed.
 */
function proveSameContent({ place, bundle, body }: Claim): void {
  const fail = (why: string) => refusal(place, "wrong-entry", `its log entry is not about it: ${why}`);
  const { kindVersion } = bundle.verificationMaterial.tlogEntries[0];
  if (kindVersion.kind !== body.kind || kindVersion.version !== body.version)
    throw fail(`it is of kind "${body.kind} ${body.version}", and the bundle says another`);
  if (body.signature !== bundle.dsseEnvelope.signatures[0].sig) throw fail("it has another signature");
  if (!isVerifierOf(bundle, body)) throw fail("it has another key or certificate");
  const { payload, payloadType } = bundle.dsseEnvelope;
  if (body.kind === "intoto" && payloadType !== body.payloadType) throw fail("it has another payload type");
  const isSame =
    body.kind === "hashedrekord"
      ? hashOf(signedBytes(bundle), "base64") === body.signedHash
      : hashOf(Buffer.from(payload, "base64"), "hex") === body.payloadHash;
  if (!isSame) throw fail("it has another statement");
  // Other tools choose by this name how they verify the signature.
  if (body.kind === "hashedrekord" && body.keyDetails !== P256)
    throw fail(`it says that the key is not of kind ${P256}`);
}

function isVerifierOf({ verificationMaterial }: Bundle, { verifier }: LoggedBody): boolean {
  const { certificate } = verificationMaterial;
  if (certificate === undefined) return verifier.label === "PUBLIC KEY";
  return verifier.label === "CERTIFICATE" && Buffer.from(certificate.rawBytes, "base64").equals(verifier.der);
}

/** What the signature is over (DSSE's pre-authentication encoding). */
function signedBytes({ dsseEnvelope }: Bundle): Buffer {
  return dsse.preAuthEncoding(dsseEnvelope.payloadType, Buffer.from(dsseEnvelope.payload, "base64"));
}

function hashOf(bytes: Uint8Array, encoding: "hex" | "base64"): string {
  return createHash("sha256").update(bytes).digest(encoding);
}

/**
 * When the claim says that it was logged: by the entry of a Rekor v1 log, in whole seconds; by the earliest timestamp
 * beside an entry of v2, whose log signs no time. Throws RecordError: "bad-timestamp" without one that can be read,
 * "not-in-log" for an entry of v1 whose time the log does not sign.
 */
export function claimedTime({ place, bundle, body }: Pick<Claim, "place" | "bundle" | "body">): Date {
  const [{ integratedTime, inclusionPromise }] = bundle.verificationMaterial.tlogEntries;
  if (body.kind !== "hashedrekord") {
    if (inclusionPromise === undefined || integratedTime === "0")
      throw refusal(place, "not-in-log", "it has no signed entry timestamp");
    return new Date(Number(integratedTime) * 1000);
  }
  if (inclusionPromise !== undefined || integratedTime !== "0")
    throw refusal(place, "bad-timestamp", "its entry has a time of its own, which no Rekor v2 log signs");
  const unreadable = (cause?: unknown) =>
    refusal(place, "bad-timestamp", "its timestamp cannot be read", cause);
  const times = timestampsOf(bundle).map((token) => {
    try {
      return RFC3161Timestamp.parse(token).signingTime.getTime();
    } catch (cause) {
      throw unreadable(cause);
    }
  });
  if (times.length === 0)
    throw refusal(place, "bad-timestamp", "it has no timestamp of a timestamp authority");
  const earliest = new Date(Math.min(...times));
  if (Number.isNaN(earliest.getTime())) throw unreadable();
  return earliest;
}

/**
 * Proves the timestamps in a bundle: over its signature, by authorities of the trusted root, within their validity and
 * that of their certificates (RFC 3161). Returns their times. Throws RecordError ("bad-timestamp").
 */
function proveTimestamps({ place, bundle }: Claim, { material, source }: TrustedRoot): readonly Date[] {
  const signature = Buffer.from(bundle.dsseEnvelope.signatures[0].sig, "base64");
  const times = timestampsOf(bundle).map((token) => {
    try {
      const proven = getTSATimestamp(RFC3161Timestamp.parse(token), signature, material.timestampAuthorities);
      return proven.timestamp;
    } catch (cause) {
      const why = `its timestamp does not hold: ${reasonOf(cause)}, by the trusted root "${source}"`;
      throw refusal(place, "bad-timestamp", why, cause);
    }
  });
  // Other tools refuse a bundle in which one timestamp seems to be two.
  if (new Set(times.map(Number)).size < times.length)
    throw refusal(place, "bad-timestamp", "it has two timestamps of the same time");
  return times;
}

function timestampsOf({ verificationMaterial }: Bundle): readonly Buffer<ArrayBuffer>[] {
  const { rfc3161Timestamps = [] } = verificationMaterial.timestampVerificationData ?? {};
  return rfc3161Timestamps.map(({ signedTimestamp }) => Buffer.from(signedTimestamp, "base64"));
}

/**
 * Refuses an entry of a log that the trusted root has and the policy does not name. `logs` are base URLs; undefined
 * names all. Throws RecordError ("unnamed-log").
 */
export function checkLogIsNamed(
  { place, entry }: PlacedEntry,
  logs: readonly string[] | undefined,
  trustedRoot: TrustedRoot,
): void {
  const log = logOf(entry, trustedRoot);
  if (log === undefined || logs === undefined || logs.some((url) => sameUrl(url, log.baseURL))) return;
  throw refusal(place, "unnamed-log", `the policy does not name its log "${log.baseURL}"`);
}

/**
 * Proves that a log of the trusted root has the entry: by its signature over the entry and its time (Rekor v1), and by
 * the path from the entry to the root of a tree whose checkpoint it signed. Returns where it is and when it was logged.
 * Throws RecordError: "unknown-log", "not-in-log".
 *
 * The library leaves three things out, which are checked here. It takes root and size from the checkpoint alone and
 * ignores those beside it: other tools refuse a bundle in which they differ. It does not check when the key that signed
 * a checkpoint of Rekor v2 was valid. And it believes the index of an entry of v2, which no signature covers; the one to
 * believe there is the index in the tree.
 */
export function proveLogged(
  { place, entry }: PlacedEntry,
  { api, loggedAt }: { readonly api: 1 | 2; readonly loggedAt: Date },
  trustedRoot: TrustedRoot,
): Pick<TagRecord, "logIndex" | "logId" | "logUrl" | "loggedAt"> {
  const log = logOf(entry, trustedRoot, loggedAt);
  if (log === undefined) {
    const why = `its log "${idOf(entry).toString("hex")}" is not in the trusted root "${trustedRoot.source}"`;
    throw refusal(place, "unknown-log", why);
  }
  const fail = (why: string, cause?: unknown) => refusal(place, "not-in-log", why, cause);
  const { rootHash, treeSize, logIndex } = entry.inclusionProof;
  const head = readTreeHead({ place, entry });
  if (head.rootHash !== Buffer.from(rootHash, "base64").toString("hex") || head.treeSize !== treeSize)
    throw fail("its inclusion proof is for another tree than its checkpoint");
  if (!wasValid(log, loggedAt)) throw fail(`the key of its log was not valid at ${loggedAt.toISOString()}`);
  if (api === 2 && entry.logIndex !== logIndex) throw fail("its index is not that of its inclusion proof");
  try {
    const { kindVersion } = entry;
    const logged = { ...TransparencyLogEntry.fromJSON(entry), kindVersion, logId: { keyId: log.logID } };
    verifyTLogInclusion(logged, trustedRoot.material.tlogs);
  } catch (cause) {
    // Whatever the library throws for a stranger's input, the entry is refused and the check goes on.
    throw fail(`its proof of being logged does not hold (${reasonOf(cause)})`, cause);
  }
  return {
    logIndex: BigInt(entry.logIndex),
    logId: log.logID.toString("hex"),
    logUrl: log.baseURL,
    loggedAt,
  };
}

/** What the entry's checkpoint says of the tree. Throws RecordError ("not-in-log"). */
export function readTreeHead({ place, entry }: PlacedEntry): ReturnType<typeof treeHead> {
  try {
    return treeHead(entry.inclusionProof.checkpoint.envelope, place);
  } catch (cause) {
    if (!(cause instanceof LogEntryError)) throw cause;
    throw refusal(place, "not-in-log", "its checkpoint is not a signed tree head", cause);
  }
}

/** By its ID; of several the one whose key was valid then. */
function logOf(entry: BundledEntry, { material }: TrustedRoot, at?: Date): KnownLog | undefined {
  const id = idOf(entry);
  const logs = material.tlogs.filter(({ logID }) => logID.equals(id));
  return logs.find((log) => at !== undefined && wasValid(log, at)) ?? logs[0];
}

function wasValid({ validFor }: KnownLog, at: Date): boolean {
  return validFor.start <= at && at <= validFor.end;
}

function idOf(entry: BundledEntry): Buffer {
  return Buffer.from(entry.logId.keyId, "base64");
}

/** The innermost of the reasons that the library gives. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "it cannot be read";
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}

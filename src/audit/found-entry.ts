// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "@sigstore/core";
import { type Digest, type Sha256, sha256 } from "../image/digest.ts";
import { HEAD_PREDICATE_TYPE, parseHead } from "../ledger/head.ts";
import { LogEntryError, leafHash, parseLogEntry, verifyUuid } from "../log/entry.ts";
import { bundledEntry } from "../record/bundle.ts";
import { RecordError } from "../record/error.ts";
import { type LoggedBody, readLoggedBody, readNamedBody } from "../record/logged-body.ts";
import { proveCertificate, proveLogged } from "../record/proofs.ts";
import { type Signer, signerId, type TrustedSigner } from "../record/signer.ts";
import { parseSighting } from "../record/statement.ts";
import { anySigner, isSigner } from "../record/trusted-signer.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";

/** What an entry of Rekor v1 says, whose statement the log keeps. */
export type FoundStatement =
  | {
      readonly kind: "sighting";
      readonly reference: string;
      readonly digest: Digest;
      readonly supersedes?: Digest;
      readonly sequence?: number;
    }
  | { readonly kind: "head"; readonly ledger: string; readonly sequence: number; readonly previous?: Sha256 }
  | { readonly kind: "other" };

/** An entry by one of the signers that are looked for. */
export interface FoundEntry {
  /** In the whole log. */
  readonly index: number;
  /** Hex. */
  readonly leaf: string;
  /** As `signerId` gives it: of the signer who was looked for. */
  readonly signer: string;
  /** What was signed: `payload HEX` by the statement's sha256, or `signed HEX` by that of what DSSE signs of it. */
  readonly what: string;
  /** When it was signed, or taken in; undefined: nothing in the log says that. */
  readonly at?: Date;
  /** Undefined: the log does not say what it states. */
  readonly statement?: FoundStatement;
}

/** What an entry turned out to be that may be by one of the signers. */
export type Examined =
  | { readonly kind: "found"; readonly entry: FoundEntry }
  /** By somebody else, or of a kind that nobody looks for. */
  | { readonly kind: "stranger" }
  /** No key or certificate can be read in it, so nobody takes it for one of the signers'. */
  | { readonly kind: "unreadable" }
  /** Its certificate names one of the signers, and no trusted authority says so. */
  | { readonly kind: "impostor" };

/** Whose entries are looked for, and by what names are proven. */
export interface Examination {
  readonly signers: readonly TrustedSigner[];
  readonly trustedRoot: TrustedRoot;
}

/** Examines the body of an entry (base64) whose place in a log is proven otherwise. Nothing in it has a time but a certificate. */
export function examineBody(
  body: string,
  { index, place }: { readonly index: number; readonly place: string },
  { signers, trustedRoot }: Examination,
): Examined {
  let logged: LoggedBody;
  try {
    logged = readLoggedBody(readNamedBody(body, place), place);
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
    return { kind: error.code === "not-a-sighting" ? "stranger" : "unreadable" };
  }
  const named = anySigner(logged.verifier);
  if ("stranger" in named) return { kind: "unreadable" };
  const { signer } = named;
  const wanted = signers.find((each) => isSigner(signer, each));
  if (wanted === undefined) return { kind: "stranger" };
  if (!isProvenName(place, signer, { logged, trustedRoot })) return { kind: "impostor" };
  const at = signer.kind === "identity" ? notBefore(logged) : undefined;
  const entry = { index, leaf: leafHash(body), signer: signerId(wanted), what: whatIsSigned(logged) };
  return { kind: "found", entry: { ...entry, ...(at && { at }) } };
}

/**
 * Examines an entry as the API of Rekor v1 answers it; one by a signer is proven to be in the log. Throws RecordError and
 * LogEntryError when it is not.
 */
export function examineEntry(uuid: string, value: unknown, examination: Examination): Examined {
  const logged = parseLogEntry(uuid, value);
  const place = `log entry "${uuid}"`;
  const examined = examineBody(logged.body, { index: logged.logIndex, place }, examination);
  if (examined.kind !== "found") return examined;
  verifyUuid(logged);
  const [kind = "", version = ""] = readNamedBody(logged.body, place).name.split(" ");
  const at = new Date(logged.integratedTime * 1000);
  const entry = bundledEntry(logged, { kind, version });
  proveLogged({ place, entry }, { api: 1, loggedAt: at }, examination.trustedRoot);
  const payload = Buffer.from(logged.attestation?.data ?? "", "base64");
  const isStated = examined.entry.what === `payload ${sha256(payload).slice("sha256:".length)}`;
  const statement = isStated ? { statement: statementIn(payload) } : {};
  return { kind: "found", entry: { ...examined.entry, at, ...statement } };
}

/** What the statement with these bytes says. */
export function statementIn(payload: Uint8Array): FoundStatement {
  try {
    const { reference, digest, supersedes, sequence } = parseSighting(payload);
    return {
      kind: "sighting",
      reference,
      digest,
      ...(supersedes !== undefined && { supersedes }),
      ...(sequence !== undefined && { sequence }),
    };
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
  }
  if (!Buffer.from(payload).includes(HEAD_PREDICATE_TYPE)) return { kind: "other" };
  try {
    const { ledger, sequence, previous } = parseHead(payload, (why) => new LogEntryError(why));
    return { kind: "head", ledger, sequence, ...(previous !== undefined && { previous }) };
  } catch (error) {
    if (!(error instanceof LogEntryError)) throw error;
    return { kind: "other" };
  }
}

function isProvenName(
  place: string,
  signer: Signer,
  { logged, trustedRoot }: { readonly logged: LoggedBody; readonly trustedRoot: TrustedRoot },
): boolean {
  try {
    proveCertificate({ place, signer, verifier: logged.verifier }, "issued", trustedRoot);
    return true;
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
    return false;
  }
}

/** A certificate holds for some minutes, so its beginning is when it was used. */
function notBefore({ verifier }: LoggedBody): Date {
  return X509Certificate.parse(Buffer.from(verifier.der)).notBefore;
}

function whatIsSigned(logged: LoggedBody): string {
  return logged.kind === "hashedrekord"
    ? `signed ${Buffer.from(logged.signedHash, "base64").toString("hex")}`
    : `payload ${logged.payloadHash}`;
}

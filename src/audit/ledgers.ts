// SPDX-License-Identifier: Apache-2.0
import { dsse } from "@sigstore/core";
import { sha256 } from "../image/digest.ts";
import { ImageReferenceError, parseReference } from "../image/reference.ts";
import { LedgerError } from "../ledger/error.ts";
import { checkChain, type Gap, type TagLines } from "../ledger/lines.ts";
import type { ProvenHead } from "../ledger/proven-head.ts";
import { leafHash } from "../log/entry.ts";
import { LockError } from "../lock/error.ts";
import { recordLine } from "../lock/file.ts";
import { parseLine } from "../lock/line.ts";
import { type LedgerPlace, readKeptLedger, readKeptPart } from "../ledger/registry/kept-ledger.ts";
import { RecordError } from "../record/error.ts";
import { readKeptHistory } from "../record/history.ts";
import type { TagRecord } from "../record/record.ts";
import { signerId, signerName, type TrustedSigner } from "../record/signer.ts";
import { isSigner } from "../record/trusted-signer.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";
import { finding, type Finding } from "./finding.ts";
import type { AuditState, ShownLine } from "./state.ts";

/** A ledger that is audited. */
export interface AuditedLedger {
  /** Canonical, without a tag. */
  readonly name: string;
  readonly observer: TrustedSigner;
}

/** What a ledger says of itself; its lines are put aside in the state. */
export interface ReadLedger extends AuditedLedger {
  /** Undefined: it is not there yet. */
  readonly head: ProvenHead | undefined;
  readonly lines: number;
  /** Sightings that the observer says it no longer keeps. */
  readonly gaps: readonly (Gap & { readonly reference: string })[];
  /** What does not hold in it. */
  readonly findings: readonly Finding[];
  /** What cannot be judged by this trusted root. */
  readonly notRead: readonly string[];
  /** Whether all of it could be read, so that what it does not have is not there. */
  readonly isWhole: boolean;
}

/**
 * Reads a whole ledger, proves each line whoever signed it, and the observer's numbers. What does not hold is a finding. Throws
 * RegistryError and StateError.
 */
export async function readLedger(
  place: LedgerPlace,
  { name, observer }: AuditedLedger,
  {
    trustedRoot,
    signers,
    state,
  }: {
    readonly trustedRoot: TrustedRoot;
    /** Who is audited. */
    readonly signers: readonly TrustedSigner[];
    readonly state: AuditState;
  },
): Promise<ReadLedger> {
  const findings: Finding[] = [];
  const gaps: (Gap & { reference: string })[] = [];
  const notRead: string[] = [];
  const broken = (error: unknown) => {
    if (!(error instanceof LedgerError)) throw error;
    if (error.reason === "unknown-log") {
      notRead.push(`the ledger "${name}": ${error.message}; ${NEWER_ROOT}`);
      return;
    }
    findings.push(
      finding("ledger-broken", { message: `the ledger "${name}": ${error.message}`, ledger: name }),
    );
  };
  const nothing = { name, observer, head: undefined, lines: 0, gaps, findings, notRead, isWhole: false };
  const kept = await readKeptLedger(place, {
    repository: name,
    observer,
    trustedRoot,
    logs: undefined,
  }).catch((error: unknown) => broken(error));
  if (kept === undefined) return nothing;
  if (kept.head === undefined) return { ...nothing, isWhole: true };
  let lines = 0;
  let isWhole = true;
  for (const part of kept.shards.keys()) {
    const tags = await readKeptPart(place, kept, part).catch((error: unknown) => broken(error));
    if (tags === undefined) {
      isWhole = false;
      continue;
    }
    const shown: ShownLine[] = [];
    for (const [reference, tag] of tags) {
      lines += tag.lines.length;
      if (tag.gap !== undefined) gaps.push({ reference, ...tag.gap });
      const records = provenLines(reference, tag, { name, trustedRoot, findings, notRead });
      for (const record of records) shown.push(shownLine(record, { name, signers }));
      try {
        const own = records.filter(({ signer }) => isSigner(signer, observer));
        checkChain(own, { tag: reference, gap: tag.gap, isUnnamed: false });
      } catch (error) {
        broken(error);
      }
    }
    state.putAside(shown);
  }
  return {
    name,
    observer,
    head: kept.head,
    lines,
    gaps,
    findings,
    notRead,
    isWhole: isWhole && notRead.length === 0,
  };
}

const NEWER_ROOT = "use a trusted root that has its log";

function provenLines(
  reference: string,
  { lines }: TagLines,
  {
    name,
    trustedRoot,
    findings,
    notRead,
  }: {
    readonly name: string;
    readonly trustedRoot: TrustedRoot;
    readonly findings: Finding[];
    readonly notRead: string[];
  },
): readonly TagRecord[] {
  return lines.flatMap((text, index) => {
    try {
      const line = parseLine(text, name, index + 1);
      const { records } = readKeptHistory(
        [{ kind: "bundle", bundle: line.bundle, place: `the ledger "${name}"` }],
        { subject: parseReference(reference), trust: [], strangers: true, trustedRoot },
        {
          refuse: (reason) => new RecordError(reason, `its bundle proves no sighting of the tag (${reason})`),
        },
      );
      const [record] = records;
      if (record !== undefined && recordLine(record) === text) return [record];
      throw new RecordError("malformed", "it says something else than its bundle proves");
    } catch (error) {
      const isBad =
        error instanceof LockError || error instanceof RecordError || error instanceof ImageReferenceError;
      if (!isBad) throw error;
      if (error instanceof RecordError && error.code === "unknown-log") {
        notRead.push(`"${reference}" in the ledger "${name}": ${error.message}; ${NEWER_ROOT}`);
        return [];
      }
      const message = `line ${index + 1} of "${reference}" in the ledger "${name}": ${error.message}`;
      findings.push(finding("line-not-proven", { message, ledger: name, reference }));
      return [];
    }
  });
}

function shownLine(
  {
    reference,
    digest,
    supersedes,
    signer,
    sequence,
    observedAt,
    loggedAt,
    logId,
    logIndex,
    bundle,
  }: TagRecord,
  { name, signers }: { readonly name: string; readonly signers: readonly TrustedSigner[] },
): ShownLine {
  const payload = Buffer.from(bundle?.dsseEnvelope.payload ?? "", "base64");
  const auditedAs = signers.find((each) => isSigner(signer, each));
  const isHashed = bundle?.verificationMaterial.tlogEntries[0].kindVersion.kind === "hashedrekord";
  return {
    ledger: name,
    reference,
    digest,
    ...(supersedes !== undefined && { supersedes }),
    ...statementHashes(payload, bundle?.dsseEnvelope.payloadType ?? ""),
    signer: signerId(signer),
    signerName: signerName(signer),
    ...(auditedAs !== undefined && { auditedAs: signerId(auditedAs) }),
    ...(sequence !== undefined && { sequence }),
    observedAt: observedAt.toISOString(),
    loggedAt: loggedAt.toISOString(),
    log: logId,
    index: Number(logIndex),
    leaf: leafHash(bundle?.verificationMaterial.tlogEntries[0].canonicalizedBody ?? ""),
    ...(isHashed && { payload: payload.toString("base64") }),
  };
}

/** The two hashes by which logs know a statement: of its own bytes, and of what DSSE signs of it; hex. */
export function statementHashes(
  payload: Buffer<ArrayBuffer>,
  payloadType: string,
): { readonly statement: string; readonly signed: string } {
  const hex = (bytes: Uint8Array) => sha256(bytes).slice("sha256:".length);
  return { statement: hex(payload), signed: hex(dsse.preAuthEncoding(payloadType, payload)) };
}

// SPDX-License-Identifier: Apache-2.0
import { expect } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { RecordError } from "../../src/record/error.ts";
import { parseIdentity } from "../../src/record/signer.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import type { RecordContext } from "../../src/record/record.ts";
import { proveBundle } from "../record/prove.ts";
import {
  bundleOf,
  dsseBundle,
  intotoBundle,
  type SampleBundle,
  type SampleBundledEntry,
} from "../record/sample-bundle.ts";
import {
  certify,
  rootWith,
  type SampleAuthority,
  sampleAuthority,
  signCertified,
} from "../record/sample-identity.ts";
import {
  OTHER_DIGEST,
  sampleKey,
  sampleLog,
  type SampleEnvelope,
  type SampleLog,
  sighting,
  signEnvelope,
  trusting,
} from "../record/sample-log.ts";
import { sampleLogV2, type SampleLogV2 } from "../record/sample-log-v2.ts";

export const CI = { issuer: "https://accounts.google.com", identity: "ci@acme.example" };
/** The kinds of log entry that a bundle of a sighting can have. */
export const KINDS = ["intoto 0.0.2", "dsse 0.0.1", "hashedrekord 0.0.2"] as const;
export type Kind = (typeof KINDS)[number];
export const [INTOTO, DSSE, HASHEDREKORD] = KINDS;

export const key = sampleKey();
export const stranger = sampleKey();

/** A bundle in every kind. */
type InEveryKind = { readonly [kind in Kind]: SampleBundle };

/** Two logs of either version, an authority, and what was recorded in them. */
export interface SampleEvidence {
  readonly authority: SampleAuthority;
  readonly v1: SampleLog;
  readonly other: SampleLog;
  readonly v2: SampleLogV2;
  /** Who trusts the key and the identity, and all of these logs. */
  readonly context: RecordContext;
  /** Signed with the key. */
  readonly signed: SampleEnvelope;
  readonly good: InEveryKind;
  /** Signed with the identity's certificate. */
  readonly certified: InEveryKind;
  /** Another sighting, signed with the key. */
  readonly neighbour: InEveryKind;
  /** The same envelope as the good one's, in the other logs. */
  readonly elsewhere: InEveryKind;
  statement(change?: Parameters<typeof sighting>[0]): Uint8Array;
  inEveryKind(envelope: SampleEnvelope, salt?: string): Promise<InEveryKind>;
}

export async function sampleEvidence(): Promise<SampleEvidence> {
  const authority = await sampleAuthority();
  const [v2, otherV2] = [await sampleLogV2(), await sampleLogV2("log2025.example.net")];
  const [v1, other] = [sampleLog(), sampleLog("log.example.net")];
  for (const log of [v1, other]) log.now = new Date(v2.start.getTime() + 2000);

  const statement = (change: Parameters<typeof sighting>[0] = {}): Uint8Array =>
    sightingStatement(sighting({ observedAt: v2.start, ...change }));
  const inEveryKind = async (envelope: SampleEnvelope, salt?: string): Promise<InEveryKind> => ({
    [INTOTO]: intotoBundle(v1, envelope, salt),
    [DSSE]: dsseBundle(v1, envelope, salt),
    [HASHEDREKORD]: await v2.bundle(envelope),
  });
  const fill = async (log: SampleLog, tiled: SampleLogV2, tag: string): Promise<void> => {
    const what = { reference: `docker.io/library/alpine:${tag}`, observedAt: v2.start };
    log.record(sighting(what), stranger);
    await tiled.record(what, stranger);
  };

  // Our leaves are in the middle, so that proofs have hashes from both sides.
  for (const tag of ["1", "2", "3"]) await fill(v1, v2, tag);
  const signed = signEnvelope(statement(), key);
  const first = await inEveryKind(signed);
  const certificate = await certify(authority.issuing, CI);
  const certified = await inEveryKind(signCertified(statement(), certificate), "certified");
  const neighbour = await inEveryKind(signEnvelope(statement({ digest: OTHER_DIGEST }), key), "neighbour");
  for (const tag of ["4", "5"]) await fill(v1, v2, tag);
  await fill(other, otherV2, "6");

  // With the proofs of the tree as it is now; Rekor v2 brings one only with its answer.
  const now = (bundle: SampleBundle): SampleBundle =>
    bundleOf(v1, v1.log.byLogIndex(Number(entryOf(bundle).logIndex))?.uuid ?? "", signed);
  return {
    authority,
    v1,
    other,
    v2,
    context: {
      subject: parseReference("alpine:3.16.0"),
      trust: trusting(key.signer, parseIdentity(CI)),
      trustedRoot: rootWith(authority, v1, other, v2, otherV2),
    },
    signed,
    good: { ...first, [INTOTO]: now(first[INTOTO]), [DSSE]: now(first[DSSE]) },
    certified,
    neighbour,
    elsewhere: {
      [INTOTO]: intotoBundle(other, signed),
      [DSSE]: dsseBundle(other, signed),
      [HASHEDREKORD]: await otherV2.bundle(signed),
    },
    statement,
    inEveryKind,
  };
}

export function entryOf({ verificationMaterial }: SampleBundle): SampleBundledEntry {
  return verificationMaterial.tlogEntries[0];
}

export function proofOf(bundle: SampleBundle): SampleBundledEntry["inclusionProof"] {
  return entryOf(bundle).inclusionProof;
}

export function signatureOf(bundle: SampleBundle): { sig: string } {
  return bundle.dsseEnvelope.signatures[0];
}

export function timestampsOf({ verificationMaterial }: SampleBundle): { signedTimestamp: string }[] {
  return verificationMaterial.timestampVerificationData?.rfc3161Timestamps ?? [];
}

export const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString("base64");

/** Flips one bit of the last byte. */
export function flip(text: string): string {
  const bytes = Buffer.from(text, "base64");
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  return base64(bytes);
}

export function edit(bundle: SampleBundle, from: string | RegExp, to: string): void {
  const { checkpoint } = proofOf(bundle);
  const before = checkpoint.envelope;
  checkpoint.envelope = before.replace(from, to);
  if (checkpoint.envelope === before) throw new Error(`the checkpoint has no ${from}`);
}

/** Why a bundle is no record; throws when it is one. */
export function refusalOf(bundle: unknown, context: RecordContext): RecordError {
  try {
    proveBundle(bundle, context, "tlog.lock:2");
  } catch (error) {
    if (error instanceof RecordError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

/** What all that was said and the causes of it say. */
export function textOf(error: unknown): string {
  return error instanceof Error ? `${error.message} ${textOf(error.cause)}` : "";
}

/** One thing that is changed in good bundles, and why they are refused then. */
export interface TamperingRow {
  readonly row: string;
  /** All when left out. */
  readonly kinds?: readonly Kind[];
  /** The good one with the key when left out. */
  readonly from?: () => InEveryKind;
  readonly change: (bundle: SampleBundle, kind: Kind) => unknown;
  readonly code: string;
  readonly says?: string;
}

/** A row for each kind that it is about. */
export function inTheirKinds(
  rows: readonly TamperingRow[],
): readonly (TamperingRow & { readonly kind: Kind })[] {
  return rows.flatMap((row) => (row.kinds ?? KINDS).map((kind) => ({ ...row, kind })));
}

/** Changes the good bundle of the row's kind and looks how it is refused. */
export async function judge(
  { kind, from, change, code, says = "" }: TamperingRow & { readonly kind: Kind },
  { good, context }: SampleEvidence,
): Promise<void> {
  const bundle = structuredClone((from?.() ?? good)[kind]);
  expect(proveBundle(bundle, context, "x").strength).toBe("full");
  await change(bundle, kind);
  const error = refusalOf(bundle, context);
  expect(`${error.code}: ${textOf(error)}`).toMatch(new RegExp(`^${code}: `));
  expect(textOf(error)).toContain(says);
  expect(error.message).toContain("tlog.lock:2");
}

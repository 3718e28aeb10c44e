// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { findEntries } from "../../src/courier/server/find-entries.ts";
import { sendHttp } from "../../src/courier/server/http.ts";
import { keySigner, type Signed, type Signer, certifiedSigners } from "../../src/courier/server/signers.ts";
import { readIdentityToken } from "../../src/courier/server/identity-token.ts";
import { recordBundle, recordStatement } from "../../src/courier/server/recording.ts";
import { readSigningKey } from "../../src/courier/server/signing-key.ts";
import { parseReference, type Reference } from "../../src/image/reference.ts";
import { logUrl } from "../../src/log/json-api.ts";
import type { RawEntry } from "../../src/log/rekor-v1.ts";
import { type History, readHistory } from "../../src/record/history.ts";
import type { Evidence } from "../../src/record/record.ts";
import type { Signer as TrustedSigner } from "../../src/record/signer.ts";
import { sightingStatement, subjectHash } from "../../src/record/statement.ts";
import { asEvidence, type SampleKey, sampleKey, sighting, trusting } from "../record/sample-log.ts";
import { SOMEBODY, type Target } from "./target.ts";

/** A tag that nobody has recorded yet, and somebody whose records of it count. */
export interface Sample {
  /** The canonical name of the tag. */
  readonly name: string;
  readonly reference: Reference;
  /** The bytes of a sighting of it, observed now. */
  readonly statement: Uint8Array;
  /** Who signs, and is trusted. */
  readonly by: TrustedSigner;
  /** How that one signs. */
  readonly signer: Signer;
}

/** A sample signed with a key. */
export interface KeySample extends Sample {
  readonly key: SampleKey;
}

const DEADLINE_MS = 30_000;

/** A new tag with its sighting, signed with this key. */
export function newSample(key = sampleKey()): KeySample {
  const pem = Buffer.from(key.privateKey.export({ type: "pkcs8", format: "pem" }));
  return { ...newTag(), key, by: key.signer, signer: keySigner(readSigningKey(pem)) };
}

/** The same signed with an identity token's certificate, as the courier gets one. */
export async function keylessSample(target: Target): Promise<Sample> {
  const fulcio = logUrl(target.place.fulcio);
  const clock = { now: () => new Date(), elapsedMs: () => performance.now() };
  const keys = certifiedSigners({ ...clock, deadlineMs: DEADLINE_MS });
  const token = async () =>
    readIdentityToken(await target.token(), { secret: "tlog-identity-token", now: new Date() });
  const signer = await keys({ fulcio, token });
  return { ...newTag(), by: { kind: "identity", issuer: target.issuer, identity: SOMEBODY }, signer };
}

function newTag(): Pick<Sample, "name" | "reference" | "statement"> {
  const name = `docker.io/library/conformance:${randomBytes(6).toString("hex")}`;
  const digest = `sha256:${randomBytes(32).toString("hex")}` as const;
  const statement = sightingStatement(sighting({ reference: name, digest, observedAt: new Date() }));
  return { name, reference: parseReference(name), statement };
}

/**
 * Signs and appends the sample's statement as the courier does to a v1 log; gives the entry's UUID. ECDSA signs
 * differently each time, and so makes another entry, unless `again` has the signature to use once more.
 */
export async function record(
  { log }: Target,
  { signer, statement }: Sample,
  again?: SignatureKept,
): Promise<string> {
  const sign: Signer["sign"] = async (bytes) => {
    const signed = again?.signed ?? (await signer.sign(bytes));
    if (again !== undefined) again.signed = signed;
    return signed;
  };
  const { uuid } = await recordStatement(sendHttp, {
    log,
    statement,
    signer: { sign },
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
  return uuid;
}

/** A signature over one statement: none at first, then the one that was made. */
export interface SignatureKept {
  signed?: Signed;
}

/** The same to a v2 log, which gives the whole bundle. */
export function recordV2({ place }: Target, { signer, statement }: Sample): Promise<object> {
  return recordBundle(sendHttp, {
    log: logUrl(place.rekorV2),
    timestamps: [place.timestamp],
    statement,
    signer,
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
}

/** Finds what the v1 log has under the sample's tag as the courier does. */
export async function find({ log }: Target, { reference }: Sample, including?: string): Promise<RawEntry[]> {
  const found: RawEntry[] = [];
  const what = { log, hash: subjectHash(reference), including, signal: AbortSignal.timeout(DEADLINE_MS) };
  await findEntries(sendHttp, what, (some) => void found.push(...some));
  return found;
}

/** The history that these entries make of the sample's tag, for who trusts its signer and the target's logs. */
export function historyOf(target: Target, sample: Sample, entries: readonly RawEntry[]): History {
  return historyFrom(target, sample, entries.map(asEvidence));
}

/** The same of evidence of any kind. */
export function historyFrom(
  { trustedRoot }: Target,
  { reference, by }: Sample,
  evidence: readonly Evidence[],
): History {
  return readHistory(evidence, { subject: reference, trust: trusting(by), trustedRoot });
}

// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { findEntries } from "../../src/courier/finding.ts";
import { sendHttp } from "../../src/courier/http.ts";
import { readSigningKey } from "../../src/courier/signing-key.ts";
import { parseReference, type Reference } from "../../src/image/reference.ts";
import type { RawEntry } from "../../src/log/rekor-v1.ts";
import { type History, readHistory } from "../../src/record/history.ts";
import { sightingStatement, subjectHash } from "../../src/record/statement.ts";
import { keySigner } from "../../src/courier/key-signer.ts";
import { recordStatement } from "../courier/as-shipped.ts";
import { asEvidence, type SampleKey, sampleKey, sighting, trusting } from "../record/sample-log.ts";
import type { Target } from "./target.ts";

/** A tag that nobody has recorded yet, and a key whose records of it count. */
export interface Sample {
  /** The canonical name of the tag. */
  readonly name: string;
  readonly reference: Reference;
  readonly key: SampleKey;
  /** The bytes of a sighting of it, observed now. */
  readonly statement: Uint8Array;
}

const DEADLINE_MS = 30_000;

/** A new tag with its sighting; `imageDigest` is what the tag names. */
export function newSample(key = sampleKey()): Sample {
  const name = `docker.io/library/conformance:${randomBytes(6).toString("hex")}`;
  const digest = `sha256:${randomBytes(32).toString("hex")}` as const;
  const statement = sightingStatement(sighting({ reference: name, digest, observedAt: new Date() }));
  return { name, reference: parseReference(name), key, statement };
}

/**
 * Signs and appends the sample's statement as the courier does; gives the entry's UUID. ECDSA signs differently each
 * time, and so makes another entry, unless `again` has the signature to use once more.
 */
export function record({ log }: Target, { key, statement }: Sample, again?: SignatureKept): Promise<string> {
  const signing = readSigningKey(Buffer.from(key.privateKey.export({ type: "pkcs8", format: "pem" })));
  const sign = (bytes: Uint8Array) => {
    const signature = again?.signature ?? signing.sign(bytes);
    if (again !== undefined) again.signature = signature;
    return signature;
  };
  return recordStatement(sendHttp, {
    log,
    statement,
    signer: keySigner({ ...signing, sign }),
    signal: AbortSignal.timeout(DEADLINE_MS),
    deadlineMs: DEADLINE_MS,
  });
}

/** A signature over one statement: none at first, then the one that was made. */
export interface SignatureKept {
  signature?: Buffer;
}

/** Finds what the log has under the sample's tag as the courier does. */
export async function find({ log }: Target, { reference }: Sample, including?: string): Promise<RawEntry[]> {
  const found: RawEntry[] = [];
  const what = { log, hash: subjectHash(reference), including, signal: AbortSignal.timeout(DEADLINE_MS) };
  await findEntries(sendHttp, what, (some) => void found.push(...some));
  return found;
}

/** The history that these entries make of the sample's tag, for who trusts the sample's key and the target's log. */
export function historyOf({ trustedRoot }: Target, sample: Sample, entries: readonly RawEntry[]): History {
  const { reference, key } = sample;
  return readHistory(entries.map(asEvidence), {
    subject: reference,
    trust: trusting(key.signer),
    trustedRoot,
  });
}

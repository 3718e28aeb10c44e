// SPDX-License-Identifier: Apache-2.0
import { parseLogEntry } from "../../src/log/entry.ts";
import { placeOf, readKind } from "../../src/record/candidate.ts";
import { RecordError } from "../../src/record/error.ts";
import { readIntotoBody } from "../../src/record/logged-body.ts";
import { rebuildBundle } from "../../src/record/rebuilt-bundle.ts";
import { type Record as Proven, verifyRecord } from "../../src/record/verification.ts";
import { type AnsweredEntry, sampleKey, trusting } from "../record/sample-log.ts";
import { proposeIntoto } from "../sigstore/signed-statement.ts";
import { find, newSample, record, type Sample } from "./sample-sighting.ts";
import { ask, type Target } from "./target.ts";

/** A sample that was recorded, and the entry as the log brought it back. */
export interface Recorded {
  readonly sample: Sample;
  readonly uuid: string;
  readonly entry: AnsweredEntry;
}

/** Records a new sample, others before and after it, and brings it back. */
export async function recorded(target: Target): Promise<Recorded> {
  const sample = newSample();
  // Before and after it others log too, so that there is something to prove.
  await record(target, newSample());
  const uuid = await record(target, sample);
  await record(target, newSample());
  const [found] = await find(target, sample, uuid);
  if (found === undefined || found.entry === null) throw new Error(`"${uuid}" is not brought`);
  return { sample, uuid, entry: found.entry as AnsweredEntry };
}

/** As another client records it: our courier signs with P-256 alone. */
export async function recordedWithEd25519(target: Target): Promise<Recorded> {
  const sample = newSample(sampleKey("ed25519"));
  const uuid = await post(target, proposeIntoto(Buffer.from(sample.statement), sample.key.privateKey));
  await record(target, newSample());
  const [found] = await find(target, sample, uuid);
  if (found === undefined || found.entry === null) throw new Error(`"${uuid}" is not brought`);
  return { sample, uuid, entry: found.entry as AnsweredEntry };
}

/** Proves the sample's record, with the target's log and the sample's key trusted. */
export function verify(target: Target, { sample, uuid }: Recorded, entry: unknown): Proven {
  const { trustedRoot } = target;
  const context = { subject: sample.reference, trust: trusting(sample.key.signer), trustedRoot };
  return verifyRecord(parseLogEntry(uuid, entry), context);
}

/** The bundle out of an entry, whether the entry is any good or not. */
export function bundleOf(uuid: string, entry: unknown): unknown {
  const parsed = parseLogEntry(uuid, entry);
  const body = readIntotoBody(readKind(parsed), placeOf(parsed));
  const payload = parsed.attestation?.data ?? "";
  return rebuildBundle(parsed, body, { payload, signer: { publicKey: { hint: "aGludA==" } } });
}

/** Does what other tools check too: says `verified`, or why not. */
export function verdict(look: () => unknown): string {
  try {
    look();
    return "verified";
  } catch (error) {
    if (error instanceof RecordError) return `refused: ${error.code}`;
    throw error;
  }
}

/** The same of a run of cosign. */
export function cosignVerdict({ code, output }: { readonly code: number; readonly output: string }): string {
  if (code === 0 && output.includes("Verified OK")) return "verified";
  // Other exit codes are of a program that could not be run.
  return code === 1 && output.includes("Error: ") ? "refused" : `${code}: ${output}`;
}

/** Appends an entry; gives its UUID. */
export async function post(target: Target, body: unknown): Promise<string> {
  const answer = await ask(target, "POST", "/api/v1/log/entries", { body });
  const [uuid] = Object.keys(answer.body as object);
  if (answer.status !== 201 || uuid === undefined) throw new Error(JSON.stringify(answer.body));
  return uuid;
}

// SPDX-License-Identifier: Apache-2.0
import { bundleFromJSON } from "@sigstore/bundle";
import { TrustedRoot } from "@sigstore/protobuf-specs";
import { toSignedEntity, toTrustMaterial, VerificationError, Verifier } from "@sigstore/verify";
import { readFileSync } from "node:fs";
import { parseLogEntry } from "../../src/log/entry.ts";
import { placeOf, readKind } from "../../src/record/candidate.ts";
import { RecordError } from "../../src/record/error.ts";
import { readIntotoBody } from "../../src/record/logged-body.ts";
import { rebuildBundle } from "../../src/record/bundle.ts";
import type { Signer } from "../../src/record/signer.ts";
import type { TagRecord } from "../../src/record/record.ts";
import { proveBundle, proveEntry } from "../record/prove.ts";
import { type AnsweredEntry, sampleKey, trusting } from "../record/sample-log.ts";
import { proposeIntoto } from "../sigstore/signed-statement.ts";
import { find, newSample, record, recordV2, type KeySample, type Sample } from "./sample-sighting.ts";
import { ask, type LogApi, type Target } from "./target.ts";

/** A sample that was recorded in a v1 log, and the entry as the log brought it back. */
export interface Recorded<S extends Sample = Sample> {
  readonly sample: S;
  readonly uuid: string;
  readonly entry: AnsweredEntry;
}

/** Records a new sample, others before and after it, and brings it back. */
export async function recorded(target: Target): Promise<Recorded<KeySample>> {
  // Before and after it others log too, so that there is something to prove.
  await record(target, newSample());
  return recordedAs(target, newSample());
}

/** The same of this sample. */
export async function recordedAs<S extends Sample>(target: Target, sample: S): Promise<Recorded<S>> {
  const uuid = await record(target, sample);
  await record(target, newSample());
  return bringBack(target, sample, uuid);
}

/** As another client records it: our courier signs with P-256 alone. */
export async function recordedWithEd25519(target: Target): Promise<Recorded<KeySample>> {
  const sample = newSample(sampleKey("ed25519"));
  const uuid = await post(target, proposeIntoto(Buffer.from(sample.statement), sample.key.privateKey));
  await record(target, newSample());
  return bringBack(target, sample, uuid);
}

async function bringBack<S extends Sample>(target: Target, sample: S, uuid: string): Promise<Recorded<S>> {
  const [found] = await find(target, sample, uuid);
  if (found === undefined || found.entry === null) throw new Error(`"${uuid}" is not brought`);
  return { sample, uuid, entry: found.entry as AnsweredEntry };
}

/** Proves the sample's record, with the target's logs and the sample's signer trusted. */
export function verify(target: Target, { sample, uuid }: Recorded, entry: unknown): TagRecord {
  return proveEntry({ uuid, entry }, contextOf(target, sample));
}

/** The same of a record in a bundle. */
export function verifyBundled(target: Target, sample: Sample, bundle: unknown): TagRecord {
  return proveBundle(bundle, contextOf(target, sample), "the test");
}

function contextOf({ trustedRoot }: Target, { reference, by }: Sample) {
  return { subject: reference, trust: trusting(by), trustedRoot };
}

/** Records the sample in the log of this API; gives the bundle, which for v1 is made of what the log brings back. */
export async function bundled(target: Target, sample: Sample, api: LogApi): Promise<unknown> {
  if (api === "v2") return recordV2(target, sample);
  const made = await recordedAs(target, sample);
  return verify(target, made, made.entry).bundle;
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

/** What Sigstore's own library for npm says of a bundle that this signer signed, with none of our code in between. */
export function libraryVerdict({ trustedRootFile }: Target, by: Signer, bundle: unknown): string {
  const root = TrustedRoot.fromJSON(JSON.parse(readFileSync(trustedRootFile, "utf8")));
  const trust = toTrustMaterial(root, () => {
    if (by.kind !== "key") throw new Error("the bundle names a key");
    return { publicKey: by.publicKey, validFor: () => true };
  });
  const entity = toSignedEntity(bundleFromJSON(bundle));
  const policy =
    by.kind === "key"
      ? undefined
      : {
          subjectAlternativeName: `^${by.identity.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`,
          extensions: { issuer: by.issuer },
        };
  try {
    new Verifier(trust).verify(entity, policy);
    return "verified";
  } catch (error) {
    if (error instanceof VerificationError) return `refused: ${error.code}`;
    throw error;
  }
}

/** The same of a run of cosign. */
export function cosignVerdict({ code, output }: { readonly code: number; readonly output: string }): string {
  if (code === 0 && output.includes("Verified OK")) return "verified";
  // Other exit codes are of a program that could not be run.
  return code === 1 && output.includes("Error: ") ? "refused" : `${code}: ${output}`;
}

/** Appends an entry to the v1 log; gives its UUID. */
export async function post(target: Target, body: unknown): Promise<string> {
  const answer = await ask(target, "POST", "/api/v1/log/entries", { body });
  const [uuid] = Object.keys(answer.body as object);
  if (answer.status !== 201 || uuid === undefined) throw new Error(JSON.stringify(answer.body));
  return uuid;
}

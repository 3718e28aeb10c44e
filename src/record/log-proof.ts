// SPDX-License-Identifier: Apache-2.0
import { TransparencyLogEntry } from "@sigstore/protobuf-specs";
// The package has no other entry to this step alone.
import { verifyTLogInclusion } from "@sigstore/verify/dist/tlog/index.js";
import { LogEntryError, treeHead } from "../log/entry.ts";
import type { BundledEntry } from "./bundle.ts";
import { reasonOf, refusal } from "./claim.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";

/** A log of the trusted root. */
export type KnownLog = TrustedRoot["material"]["tlogs"][0];

/** An entry, and what messages call it. */
export interface PlacedEntry {
  readonly place: string;
  readonly entry: BundledEntry;
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
  if (log === undefined || logs === undefined || logs.some((url) => isSameUrl(url, log.baseURL))) return;
  throw refusal(place, "unnamed-log", `the policy does not name its log "${log.baseURL}"`);
}

/** The log of an entry that was there at this time. Throws RecordError ("unknown-log"). */
export function findLog({ place, entry }: PlacedEntry, at: Date, trustedRoot: TrustedRoot): KnownLog {
  const log = logOf(entry, trustedRoot, at);
  if (log !== undefined) return log;
  const why = `its log "${idOf(entry).toString("hex")}" is not in the trusted root "${trustedRoot.source}"`;
  throw refusal(place, "unknown-log", why);
}

/**
 * What the library leaves out of its proof of inclusion. Throws RecordError ("not-in-log").
 *
 * It takes root and size from the checkpoint alone and ignores those beside it: other tools refuse a bundle in which
 * they differ. It does not look when the key that signed a checkpoint of Rekor v2 was valid. And it believes the index
 * of an entry of v2, which no signature covers; there it is that in the tree.
 */
export function checkProof(
  { place, entry }: PlacedEntry,
  { log, api, at }: { readonly log: KnownLog; readonly api: 1 | 2; readonly at: Date },
): void {
  const fail = (why: string, cause?: unknown) => refusal(place, "not-in-log", why, cause);
  const { rootHash, treeSize, logIndex } = entry.inclusionProof;
  const head = readTreeHead({ place, entry });
  if (head.rootHash !== Buffer.from(rootHash, "base64").toString("hex") || head.treeSize !== treeSize)
    throw fail("its inclusion proof is for another tree than its checkpoint");
  if (!wasValid(log, at)) throw fail(`the key of its log was not valid at ${at.toISOString()}`);
  if (api === 2 && entry.logIndex !== logIndex) throw fail("its index is not that of its inclusion proof");
}

/**
 * Proves that the log has the entry: by its signature over the entry and its time (Rekor v1), and by the path from the
 * entry to the root of a tree whose checkpoint it signed. Throws RecordError ("not-in-log").
 */
export function proveInclusion(
  { place, entry }: PlacedEntry,
  log: KnownLog,
  { material }: TrustedRoot,
): void {
  try {
    const { kindVersion } = entry;
    const logged = { ...TransparencyLogEntry.fromJSON(entry), kindVersion, logId: { keyId: log.logID } };
    verifyTLogInclusion(logged, material.tlogs);
  } catch (cause) {
    // Whatever the library throws on a stranger's input, it is refused and the build goes on being checked.
    const why = `its proof of being logged does not hold (${reasonOf(cause)})`;
    throw refusal(place, "not-in-log", why, cause);
  }
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

function isSameUrl(one: string, other: string): boolean {
  return spelled(one) === spelled(other);
}

function spelled(url: string): string {
  return (URL.parse(url)?.href ?? url).replace(/\/+$/, "");
}

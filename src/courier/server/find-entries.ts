// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from "node:timers/promises";
import type { AskLog, LogCall } from "../../log/json-api.ts";
import { findUuids } from "../../log/rekor-v1.ts";
import {
  readEntry,
  retrieveEntries,
  retrieveEntriesAt,
  sameLeaf,
  type RawEntry,
} from "../../log/rekor-v1.ts";
import { MAX_INDEXED } from "../protocol.ts";
import { fieldsOf } from "./json-fields.ts";

/** What is to be found. */
export interface Finding extends LogCall {
  /** `sha256:` and 64 hex digits. */
  readonly hash: string;
  /** The certificates' subject whose entries are wanted; those of others may come too. */
  readonly identity?: string | undefined;
  /** The UUID of an entry that was just written. */
  readonly including?: string | undefined;
  /** Hears how many entries the index has, and throws when they are too many. */
  readonly onListed?: (count: number) => void;
}

/** How long a log may take to show what it has accepted: it fills its index and its attestations afterwards. */
const SETTLING_MS = 3_000;
/** Records of one tag written within this time of each other are taken for a race. */
const RACE_SECONDS = 10;
/** How many entries before a new one are looked at, whatever their tag: ten requests. */
const MAX_NEIGHBOURS = 100;
const NEIGHBOURS_AT_ONCE = 10;
const FIRST_LOOK_MS = 25;
const SLOWEST_LOOK_MS = 400;

/**
 * Brings every entry that the log's index has under the hash, or those of one identity, to `take`, each once.
 *
 * With `including`, asks the index until it has that entry or the settling time is over, and brings the entry in any case:
 * as `null` when the log has none. Waits until that entry, and those written at the same time, have their attestations.
 * Looks for earlier ones in the log itself too, because the index can show an entry before one that was logged earlier.
 *
 * Throws LogError, and what `ask` throws.
 */
export async function findEntries(
  ask: AskLog,
  { log, hash, identity, including, onListed, signal }: Finding,
  take: (entries: readonly RawEntry[]) => void | Promise<void>,
): Promise<void> {
  const settlingEnd = () => performance.now() + SETTLING_MS;
  const index = () => findUuids(ask, { log, hash, identity, max: MAX_INDEXED, signal });
  if (including === undefined) {
    const uuids = await index();
    onListed?.(uuids.length);
    await retrieveEntries(ask, { log, uuids, signal }, take);
    return;
  }
  const isNew = (uuid: string) => sameLeaf(uuid, including);
  const uuids = await settled(index, (found) => found.some(isNew), { signal, end: settlingEnd() });
  onListed?.(uuids.length);

  const end = settlingEnd();
  const read = (uuid: string) =>
    settled(() => readEntry(ask, { log, uuid, signal }), hasAttestation, { signal, end });
  const written = await read(including);
  await take([written ?? { uuid: including, entry: null }]);
  const writtenAt = integratedTime(written);
  // Older entries are in the index by now; the log's times are whole seconds, so one more.
  const unsettled = { logIndex: logIndex(written), since: writtenAt - SETTLING_MS / 1000 - 1 };
  const neighbours = await readNeighbours(ask, { log, signal, ...unsettled });
  const whole = async (one: RawEntry) => (hasAttestation(one) ? one : ((await read(one.uuid)) ?? one));
  // Most of them are other tags' entries, or no statements at all.
  const near = await Promise.all(neighbours.filter(isStatement).map(whole));
  const missed = near.filter((one) => isAbout(one, hash) && !uuids.some((uuid) => sameLeaf(uuid, one.uuid)));
  if (missed.length > 0) await take(missed);
  const others = uuids.filter((uuid) => !isNew(uuid));
  const since = writtenAt - RACE_SECONDS;
  await retrieveEntries(ask, { log, uuids: others, signal }, async (entries) => {
    // A record of the same tag from a moment before ours must come whole: that one may stand, and not ours.
    const seen = entries.map((one) => (integratedTime(one) >= since ? whole(one) : one));
    await take(await Promise.all(seen));
  });
}

/** The entries before this index, back to that time (seconds since 1970), at most MAX_NEIGHBOURS. */
async function readNeighbours(
  ask: AskLog,
  { log, signal, logIndex: end, since }: LogCall & { readonly logIndex: number; readonly since: number },
): Promise<readonly RawEntry[]> {
  const found: RawEntry[] = [];
  const start = Math.max(0, end - MAX_NEIGHBOURS);
  // False as well when the log said no index or no time of the entry that was written.
  for (let before = end; before > start && !Number.isNaN(since); before -= NEIGHBOURS_AT_ONCE) {
    const first = Math.max(start, before - NEIGHBOURS_AT_ONCE);
    const logIndexes = Array.from({ length: before - first }, (_, n) => first + n);
    const entries = await retrieveEntriesAt(ask, { log, logIndexes, signal });
    found.push(...entries);
    if (!entries.every((entry) => integratedTime(entry) >= since) || entries.length === 0) break;
  }
  return found;
}

/** Whether the entry is of the kind that holds statements. */
function isStatement({ entry }: RawEntry): boolean {
  const { body } = fieldsOf(entry);
  return typeof body === "string" && Buffer.from(body, "base64").includes('"kind":"intoto"');
}

/** Whether the entry's statement has this hash in it; a hint, like the log's own index. */
function isAbout({ entry }: RawEntry, hash: string): boolean {
  const { data } = fieldsOf(fieldsOf(entry)["attestation"]);
  const hex = hash.slice("sha256:".length);
  return typeof data === "string" && Buffer.from(data, "base64").includes(hex);
}

/** What `look` gives once it is settled, or at the end of the settling time, as performance.now() tells it. */
async function settled<T>(
  look: () => Promise<T>,
  isSettled: (seen: T) => boolean,
  { end, signal }: { readonly end: number; readonly signal: AbortSignal },
): Promise<T> {
  for (let wait = FIRST_LOOK_MS; ; wait = Math.min(wait * 2, SLOWEST_LOOK_MS)) {
    const seen = await look();
    if (isSettled(seen) || signal.aborted || performance.now() + wait > end) return seen;
    await pause(wait, undefined, { signal }).catch(() => undefined);
  }
}

function hasAttestation(found: RawEntry | undefined): boolean {
  return "attestation" in fieldsOf(found?.entry);
}

/** Seconds since 1970; NaN, which is neither before nor after anything, when the entry does not say it. */
function integratedTime(found: RawEntry | undefined): number {
  const time = fieldsOf(found?.entry)["integratedTime"];
  return typeof time === "number" ? time : Number.NaN;
}

/** The index in the whole log; NaN, before which there is nothing, when the entry does not say it. */
function logIndex(found: RawEntry | undefined): number {
  const index = fieldsOf(found?.entry)["logIndex"];
  return Number.isSafeInteger(index) ? Number(index) : Number.NaN;
}

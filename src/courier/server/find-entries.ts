// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from "node:timers/promises";
import type { AskLog, LogCall } from "../../log/json-api.ts";
import { findUuids } from "../../log/rekor-v1-search.ts";
import {
  readEntry,
  retrieveEntries,
  retrieveEntriesAt,
  sameLeaf,
  type RawEntry,
} from "../../log/rekor-v1.ts";
import { MAX_ENTRIES } from "../protocol.ts";

/** What is to be found. */
export interface Finding extends LogCall {
  /** `sha256:` and 64 hex digits. */
  readonly hash: string;
  /** The certificates' subject whose entries are wanted; those of others may come too. */
  readonly identity?: string | undefined;
  /** The UUID of an entry that was just written. */
  readonly including?: string | undefined;
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
 * Brings every entry that the log's index has under the hash, or those of one identity, each once, to `take`. With `including`, the index
 * is asked until it has that entry or the settling time is over, and the entry is brought in any case: as `null`
 * when the log has none. That entry, and those written at the same time, are waited for until they have their
 * attestation; those written before it are also looked for in the log itself, because the index can show an entry
 * before one that was logged earlier. Throws LogError, and what `ask` throws.
 */
export async function findEntries(
  ask: AskLog,
  { log, hash, identity, including, signal }: Finding,
  take: (entries: readonly RawEntry[]) => void | Promise<void>,
): Promise<void> {
  const index = () => findUuids(ask, { log, hash, identity, max: MAX_ENTRIES, signal });
  if (including === undefined) {
    await retrieveEntries(ask, { log, uuids: await index(), signal }, take);
    return;
  }
  const isNew = (uuid: string) => sameLeaf(uuid, including);
  const uuids = await settled(index, (found) => found.some(isNew), { signal, ...settling() });

  const time = settling();
  const read = (uuid: string) =>
    settled(() => readEntry(ask, { log, uuid, signal }), hasAttestation, { signal, ...time });
  const written = await read(including);
  await take([written ?? { uuid: including, entry: null }]);
  // What is older has been in the index for long; a second for the log's times, which are whole ones.
  const settledBefore = integratedTime(written) - SETTLING_MS / 1000 - 1;
  const neighbours = await readNeighbours(ask, {
    log,
    signal,
    logIndex: logIndex(written),
    since: settledBefore,
  });
  // Most of them are other tags' entries, or no statements at all.
  const near = await Promise.all(
    neighbours
      .filter(isStatement)
      .map(async (one) => (hasAttestation(one) ? one : ((await read(one.uuid)) ?? one))),
  );
  const missed = near.filter((one) => isAbout(one, hash) && !uuids.some((uuid) => sameLeaf(uuid, one.uuid)));
  if (missed.length > 0) await take(missed);
  const others = uuids.filter((uuid) => !isNew(uuid));
  const since = integratedTime(written) - RACE_SECONDS;
  await retrieveEntries(ask, { log, uuids: others, signal }, async (entries) => {
    // Who recorded the same tag a moment before us must be seen with all of it: that record may stand, not ours.
    await take(
      await Promise.all(
        entries.map(async (one) => (isLate(one, since) ? ((await read(one.uuid)) ?? one) : one)),
      ),
    );
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
function isStatement(found: RawEntry): boolean {
  const fields = fieldsOf(found);
  if (!("body" in fields) || typeof fields.body !== "string") return false;
  return Buffer.from(fields.body, "base64").includes('"kind":"intoto"');
}

/** Whether the entry's statement has this hash in it; a hint, like the log's own index. */
function isAbout(found: RawEntry, hash: string): boolean {
  const fields = fieldsOf(found);
  const attestation = "attestation" in fields ? fields.attestation : undefined;
  if (typeof attestation !== "object" || attestation === null || !("data" in attestation)) return false;
  const hex = hash.slice("sha256:".length);
  return typeof attestation.data === "string" && Buffer.from(attestation.data, "base64").includes(hex);
}

interface Settling {
  /** When waiting ends, as performance.now() tells it. */
  readonly end: number;
}

function settling(): Settling {
  return { end: performance.now() + SETTLING_MS };
}

/** What `look` gives once it is settled, or when the settling time is over. */
async function settled<T>(
  look: () => Promise<T>,
  isSettled: (seen: T) => boolean,
  { end, signal }: Settling & { readonly signal: AbortSignal },
): Promise<T> {
  for (let wait = FIRST_LOOK_MS; ; wait = Math.min(wait * 2, SLOWEST_LOOK_MS)) {
    const seen = await look();
    if (isSettled(seen) || signal.aborted || performance.now() + wait > end) return seen;
    await pause(wait, undefined, { signal }).catch(() => undefined);
  }
}

function isLate(found: RawEntry, since: number): boolean {
  return !hasAttestation(found) && integratedTime(found) >= since;
}

function hasAttestation(found: RawEntry | undefined): boolean {
  return "attestation" in fieldsOf(found);
}

/** Seconds since 1970; NaN, which is neither before nor after anything, when the entry does not say it. */
function integratedTime(found: RawEntry | undefined): number {
  const fields = fieldsOf(found);
  return "integratedTime" in fields && typeof fields.integratedTime === "number"
    ? fields.integratedTime
    : Number.NaN;
}

/** The index in the whole log; NaN, before which there is nothing, when the entry does not say it. */
function logIndex(found: RawEntry | undefined): number {
  const fields = fieldsOf(found);
  return "logIndex" in fields && Number.isSafeInteger(fields.logIndex) ? Number(fields.logIndex) : Number.NaN;
}

function fieldsOf(found: RawEntry | undefined): object {
  return typeof found?.entry === "object" && found.entry !== null ? found.entry : {};
}

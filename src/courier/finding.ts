// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from "node:timers/promises";
import type { AskLog } from "../log/json-api.ts";
import {
  findUuids,
  readEntry,
  retrieveEntries,
  sameLeaf,
  type LogCall,
  type RawEntry,
} from "../log/rekor-v1.ts";
import { MAX_ENTRIES } from "./protocol.ts";

/** What is to be found. */
export interface Finding extends LogCall {
  /** `sha256:` and 64 hex digits. */
  readonly hash: string;
  /** The UUID of an entry that was just written. */
  readonly including?: string | undefined;
}

/** How long a log may take to show what it has accepted: it fills its index and its attestations afterwards. */
const SETTLING_MS = 3_000;
/** Records of one tag written within this time of each other are taken for a race. */
const RACE_SECONDS = 10;
const FIRST_LOOK_MS = 25;
const SLOWEST_LOOK_MS = 400;

/**
 * Brings every entry that the log's index has under the hash, each once, to `take`. With `including`, the index
 * is asked until it has that entry or the settling time is over, and the entry is brought in any case: as `null`
 * when the log has none. That entry, and those written at the same time, are waited for until they have their
 * attestation. Throws LogError, and what `ask` throws.
 */
export async function findEntries(
  ask: AskLog,
  { log, hash, including, signal }: Finding,
  take: (entries: readonly RawEntry[]) => void | Promise<void>,
): Promise<void> {
  const index = () => findUuids(ask, { log, hash, max: MAX_ENTRIES, signal });
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

function fieldsOf(found: RawEntry | undefined): object {
  return typeof found?.entry === "object" && found.entry !== null ? found.entry : {};
}

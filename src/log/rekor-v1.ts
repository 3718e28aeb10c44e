// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import {
  askJson,
  badAnswer,
  getRequest,
  LogError,
  postRequest,
  type AskLog,
  type LogCall,
  type LogRequest,
} from "./json-api.ts";

/** An entry as the log answers it, unverified. `null`: the log's index names it, but there is nothing usable. */
export interface RawEntry {
  /** 64 hex digits (leaf hash), or 80 (tree id and leaf hash), lower case. */
  readonly uuid: string;
  readonly entry: unknown;
}

/**
 * The largest entry that is read. A statement of 64 KiB with its signature, certificate and proofs stays below
 * half of it, so what is larger is nobody's record.
 */
export const MAX_ENTRY_BYTES = 256 * 1024;
/** Rekor answers 422 to more. */
const BATCH = 10;
const MAX_BATCH_BYTES = BATCH * MAX_ENTRY_BYTES + 64 * 1024;
const BATCHES_AT_ONCE = 4;

/** An entry's leaf hash in hex, after its tree's id in most answers. */
export const Uuid = v.pipe(v.string(), v.regex(/^([0-9a-f]{16})?[0-9a-f]{64}$/));
const EntryMap = v.record(Uuid, v.unknown());

/** Whether two UUIDs name the same leaf; the tree id in front may be missing in either. */
export function sameLeaf(one: string, other: string): boolean {
  return one.length === other.length ? one === other : one.slice(-64) === other.slice(-64);
}

/**
 * Brings the entries of these UUIDs, some at a time, each exactly once, to `take`. An entry that the log does not
 * have or that is larger than MAX_ENTRY_BYTES comes as `null`. Throws LogError, and what `ask` throws.
 */
export async function retrieveEntries(
  ask: AskLog,
  { log, uuids, signal }: LogCall & { readonly uuids: readonly string[] },
  take: (entries: readonly RawEntry[]) => void | Promise<void>,
): Promise<void> {
  const batches = Array.from({ length: Math.ceil(uuids.length / BATCH) }, (_, n) =>
    uuids.slice(n * BATCH, (n + 1) * BATCH),
  );
  const stop = new AbortController();
  const call = { log, signal: AbortSignal.any([signal, stop.signal]) };
  // One iterator shared by all workers hands every batch out once.
  const rest = batches.values();
  const failures: unknown[] = [];
  const work = async () => {
    try {
      for (const batch of rest) {
        const entries = await retrieveBatch(ask, { ...call, uuids: batch });
        if (failures.length > 0) return;
        await take(entries);
      }
    } catch (error) {
      failures.push(error);
      stop.abort();
    }
  };
  await Promise.all(Array.from({ length: BATCHES_AT_ONCE }, work));
  // Those after the first only say that they were stopped.
  if (failures.length > 0) throw failures[0];
}

/**
 * Appends an entry (`proposal` is the API's JSON), and gives it as the log answers it; when the log has this very entry
 * already, as it has it. Throws LogError, and what `ask` throws.
 */
export async function appendEntry(
  ask: AskLog,
  { log, signal, proposal }: LogCall & { readonly proposal: unknown },
): Promise<RawEntry> {
  const request = postRequest({ log, signal }, "api/v1/log/entries", {
    body: proposal,
    maxBytes: MAX_ENTRY_BYTES,
  });
  // The proposal is signed already: when an answer was lost, the next says 409 and where the entry is.
  const answer = await ask({ ...request, attempts: 3 });
  const known = v.safeParse(Uuid, answer.headers["location"]?.split("/").at(-1));
  if (answer.status !== 409 || !known.success) {
    return onlyEntry(request, await askJson(async () => answer, request));
  }
  const entry = await readEntry(ask, { log, uuid: known.output, signal });
  if (entry === undefined) throw badAnswer(request, answer, "names an entry that the log does not have");
  return entry;
}

/** The entry of this UUID; undefined when the log has none. Throws LogError, and what `ask` throws. */
export async function readEntry(
  ask: AskLog,
  { log, uuid, signal }: LogCall & { readonly uuid: string },
): Promise<RawEntry | undefined> {
  return readOne(ask, getRequest({ log, signal }, `api/v1/log/entries/${uuid}`, MAX_ENTRY_BYTES), uuid);
}

/**
 * The entries at these indexes of the whole log, at most ten, in no order; without those that the log does not have
 * and those larger than MAX_ENTRY_BYTES. Throws LogError, and what `ask` throws.
 */
export async function retrieveEntriesAt(
  ask: AskLog,
  { log, logIndexes, signal }: LogCall & { readonly logIndexes: readonly number[] },
): Promise<readonly RawEntry[]> {
  const request = postRequest({ log, signal }, "api/v1/log/entries/retrieve", {
    body: { logIndexes },
    maxBytes: MAX_BATCH_BYTES,
  });
  try {
    const { value, answer } = await askJson(ask, { ...request, attempts: 2 });
    const maps = v.safeParse(v.array(EntryMap), value);
    if (!maps.success) throw badAnswer(request, answer, "is not a list of entries by UUID");
    const entries = maps.output.flatMap((map) =>
      Object.entries(map).map(([uuid, entry]) => ({ uuid, entry })),
    );
    if (entries.length > logIndexes.length) throw badAnswer(request, answer, "has more than was asked for");
    return entries;
  } catch (error) {
    const oneByOne = isTooLarge(error) || (error instanceof LogError && error.status >= 500);
    if (!oneByOne) throw error;
  }
  const entries: RawEntry[] = [];
  for (const logIndex of logIndexes) {
    const path = `api/v1/log/entries?logIndex=${logIndex}`;
    const entry = await readOne(ask, getRequest({ log, signal }, path, MAX_ENTRY_BYTES)).catch(
      (error: unknown) => {
        if (isTooLarge(error)) return undefined;
        throw error;
      },
    );
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

async function retrieveBatch(
  ask: AskLog,
  { log, uuids, signal }: LogCall & { readonly uuids: readonly string[] },
): Promise<readonly RawEntry[]> {
  const request = postRequest({ log, signal }, "api/v1/log/entries/retrieve", {
    body: { entryUUIDs: uuids },
    maxBytes: MAX_BATCH_BYTES,
  });
  const found = new Map<string, RawEntry>();
  try {
    const { value, answer } = await askJson(ask, { ...request, attempts: 2 });
    const maps = v.safeParse(v.array(EntryMap), value);
    if (!maps.success) throw badAnswer(request, answer, "is not a list of entries by UUID");
    for (const [uuid, entry] of maps.output.flatMap((map) => Object.entries(map))) {
      const asked = uuids.find((one) => sameLeaf(one, uuid));
      if (asked === undefined) {
        throw badAnswer(request, answer, `has entry "${uuid}", which was not asked for`);
      }
      if (!found.has(asked)) found.set(asked, { uuid, entry });
    }
  } catch (error) {
    // One entry that the log cannot read or that is huge spoils the answer for all ten of them.
    const oneByOne = isTooLarge(error) || (error instanceof LogError && error.status >= 500);
    if (!oneByOne) throw error;
  }
  const entries: RawEntry[] = [];
  for (const uuid of uuids) {
    entries.push(found.get(uuid) ?? (await readSmallEntry(ask, { log, uuid, signal })));
  }
  return entries;
}

async function readSmallEntry(ask: AskLog, call: LogCall & { readonly uuid: string }): Promise<RawEntry> {
  try {
    return (await readEntry(ask, call)) ?? { uuid: call.uuid, entry: null };
  } catch (error) {
    if (isTooLarge(error)) return { uuid: call.uuid, entry: null };
    throw error;
  }
}

async function readOne(ask: AskLog, request: LogRequest, uuid?: string): Promise<RawEntry | undefined> {
  try {
    return onlyEntry(request, await askJson(ask, request), uuid);
  } catch (error) {
    if (error instanceof LogError && error.status === 404) return undefined;
    throw error;
  }
}

/** The one entry in an answer, which must be `uuid` if that was asked for. Throws LogError. */
function onlyEntry(
  request: LogRequest,
  { value, answer }: Awaited<ReturnType<typeof askJson>>,
  uuid?: string,
): RawEntry {
  const map = v.safeParse(EntryMap, value);
  const [first, ...others] = map.success ? Object.entries(map.output) : [];
  if (first === undefined || others.length > 0) {
    throw badAnswer(request, answer, "is not one entry by its UUID");
  }
  if (uuid !== undefined && !sameLeaf(uuid, first[0])) {
    throw badAnswer(request, answer, `has entry "${first[0]}", which was not asked for`);
  }
  return { uuid: first[0], entry: first[1] };
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && "reason" in error && error.reason === "too-large";
}

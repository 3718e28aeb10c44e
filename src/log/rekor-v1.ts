// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import * as v from "valibot";
import { CheckpointText } from "./entry.ts";
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

/** An entry as the log answers it, unverified. `null`: the log's index names it, and the log does not give it. */
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
/** What comes in place of such an entry: nothing that can be a record, so nobody makes a tag unknown with one. */
export const TOO_LARGE = {};
/** Rekor answers 422 to more. */
const BATCH = 10;
const MAX_BATCH_BYTES = BATCH * MAX_ENTRY_BYTES + 64 * 1024;
const BATCHES_AT_ONCE = 8;
/** At how many of a search's entries a log may fail before it counts as out of order. */
const MAX_FAILED = 100;

/** An entry's leaf hash in hex, after its tree's id in most answers. */
const Uuid = v.pipe(v.string(), v.regex(/^([0-9a-f]{16})?[0-9a-f]{64}$/));
const EntryMap = v.record(Uuid, v.unknown());

/** Whether two UUIDs name the same leaf; the tree id in front may be missing in either. */
export function sameLeaf(one: string, other: string): boolean {
  return one.length === other.length ? one === other : one.slice(-64) === other.slice(-64);
}

/**
 * Brings the entries of these UUIDs, some at a time, each exactly once, to `take`. An entry that the log does not have, or
 * fails at each time (5xx), comes as `null`; one that is larger than MAX_ENTRY_BYTES as TOO_LARGE. A log that fails at too
 * many of them, or that fails and gives none, is out of order: then this throws. Throws LogError, and what `ask` throws.
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
  const failedAt: LogError[] = [];
  let given = 0;
  const onFailed = (error: LogError) => {
    failedAt.push(error);
    if (failedAt.length > MAX_FAILED) throw error;
  };
  const work = async () => {
    try {
      for (const batch of rest) {
        const entries = await retrieveBatch(ask, { ...call, uuids: batch, onFailed });
        if (failures.length > 0) return;
        given += entries.filter(({ entry }) => entry !== null).length;
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
  if (given === 0 && failedAt[0] !== undefined) throw failedAt[0];
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
  const together = await retrieve(ask, { log, signal }, { logIndexes }, (entries, wrong) => {
    if (entries.length > logIndexes.length) throw wrong("has more than was asked for");
    return entries;
  });
  if (together !== undefined) return together;
  const entries: RawEntry[] = [];
  for (const logIndex of logIndexes) {
    const path = `api/v1/log/entries?logIndex=${logIndex}`;
    const read = readOne(ask, getRequest({ log, signal }, path, MAX_ENTRY_BYTES));
    const entry = await read.catch(tooLargeAs(undefined));
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

async function retrieveBatch(
  ask: AskLog,
  {
    log,
    uuids,
    signal,
    onFailed,
  }: LogCall & { readonly uuids: readonly string[]; readonly onFailed: (error: LogError) => void },
): Promise<readonly RawEntry[]> {
  const found = new Map<string, RawEntry>();
  await retrieve(ask, { log, signal }, { entryUUIDs: uuids }, (entries, wrong) => {
    for (const entry of entries) {
      const asked = uuids.find((one) => sameLeaf(one, entry.uuid));
      if (asked === undefined) throw wrong(`has entry "${entry.uuid}", which was not asked for`);
      if (!found.has(asked)) found.set(asked, entry);
    }
  });
  const entries: RawEntry[] = [];
  for (const uuid of uuids) {
    entries.push(found.get(uuid) ?? (await readAlone(ask, { log, uuid, signal, onFailed })));
  }
  return entries;
}

/** One entry of a batch that did not bring it. */
async function readAlone(
  ask: AskLog,
  {
    log,
    uuid,
    signal,
    onFailed,
  }: LogCall & { readonly uuid: string; readonly onFailed: (error: LogError) => void },
): Promise<RawEntry> {
  const request = getRequest({ log, signal }, `api/v1/log/entries/${uuid}`, MAX_ENTRY_BYTES);
  try {
    // The batch has been tried twice, and many entries that fail must not take all the time there is.
    const entry = await readOne(ask, { ...request, attempts: 2 }, uuid).catch(
      tooLargeAs({ uuid, entry: TOO_LARGE }),
    );
    return entry ?? { uuid, entry: null };
  } catch (error) {
    if (!isServerFailure(error)) throw error;
    onFailed(error);
    return { uuid, entry: null };
  }
}

/**
 * What `take` makes of several entries in one answer. Undefined when they have to be asked for one by one: one entry that
 * the log cannot read or that is huge spoils the answer for all ten of them.
 */
async function retrieve<T>(
  ask: AskLog,
  call: LogCall,
  body: object,
  take: (entries: readonly RawEntry[], wrong: (why: string) => LogError) => T,
): Promise<T | undefined> {
  const request = postRequest(call, "api/v1/log/entries/retrieve", { body, maxBytes: MAX_BATCH_BYTES });
  try {
    const { value, answer } = await askJson(ask, { ...request, attempts: 2 });
    const wrong = (why: string) => badAnswer(request, answer, why);
    const maps = v.safeParse(v.array(EntryMap), value);
    if (!maps.success) throw wrong("is not a list of entries by UUID");
    const entries = maps.output.flatMap((map) => Object.entries(map));
    return take(
      entries.map(([uuid, entry]) => ({ uuid, entry })),
      wrong,
    );
  } catch (error) {
    if (isTooLarge(error) || isServerFailure(error)) return undefined;
    throw error;
  }
}

/** Gives this in place of an entry that is too large; throws every other error again. */
function tooLargeAs<T>(given: T): (error: unknown) => T {
  return (error) => {
    if (isTooLarge(error)) return given;
    throw error;
  };
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

function isServerFailure(error: unknown): error is LogError {
  return error instanceof LogError && error.status >= 500;
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && "reason" in error && error.reason === "too-large";
}

/** What to look for in a log's index. */
export interface Search extends LogCall {
  /** `sha256:` and 64 hex digits. */
  readonly hash: string;
  /** The subject of certificates whose entries are wanted. */
  readonly identity?: string | undefined;
  /** The most UUIDs that are taken. */
  readonly max: number;
}

const MAX_INDEX_BYTES = 5 * 1024 * 1024;
/** The longest subject that a log's index can look up. */
const MAX_SUBJECT_LENGTH = 512;
const Index = v.array(Uuid);

/**
 * The UUIDs of all entries that the log's index has under the hash, each once, in the log's (arbitrary) order. With
 * an identity, those of others are left out where the log can do that (Rekor 1.5.4): older ones do not know the
 * property and give all, and one that refuses it is asked without. Throws LogError, also when there are more than
 * `max`, and what `ask` throws.
 */
export async function findUuids(ask: AskLog, { identity, ...search }: Search): Promise<readonly string[]> {
  const { hash } = search;
  if (identity !== undefined && identity !== "" && identity.length <= MAX_SUBJECT_LENGTH) {
    try {
      return await askIndex(ask, search, { hash, subject: identity, operator: "and" });
    } catch (error) {
      const isUnknown = error instanceof LogError && (error.status === 400 || error.status === 422);
      if (!isUnknown) throw error;
    }
  }
  return askIndex(ask, search, { hash });
}

/**
 * The UUIDs of all entries that the log's index has under a certificate's subject, or under the sha256 of a key's PEM. The index
 * promises nothing: entries may be missing. Throws LogError, of status 400 or 422 where the log cannot look for this, also when
 * there are more than `max`, and what `ask` throws.
 */
export async function findUuidsBy(
  ask: AskLog,
  {
    by,
    ...search
  }: Omit<Search, "hash" | "identity"> & {
    readonly by: { readonly subject: string } | { readonly hash: string };
  },
): Promise<readonly string[]> {
  return askIndex(ask, search, by);
}

/** What a log says of the tree that grows. */
export interface LogSize {
  /** How many entries its retired trees have: the first of this tree has that index in the whole log. */
  readonly before: number;
  /** The newest signed tree head. */
  readonly checkpoint: string;
}

const MAX_INFO_BYTES = 256 * 1024;
const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const LogInfo = v.object({
  signedTreeHead: CheckpointText,
  inactiveShards: v.nullish(v.pipe(v.array(v.object({ treeSize: size })), v.maxLength(1_000))),
});

/** The size that the log says it has; nothing of it is verified. Throws LogError, and what `ask` throws. */
export async function readLogSize(ask: AskLog, call: LogCall): Promise<LogSize> {
  const request = getRequest(call, "api/v1/log", MAX_INFO_BYTES);
  const { value, answer } = await askJson(ask, request);
  const info = v.safeParse(LogInfo, value);
  if (!info.success) throw badAnswer(request, answer, "is not the state of a log");
  const { signedTreeHead: checkpoint, inactiveShards } = info.output;
  return { before: (inactiveShards ?? []).reduce((sum, shard) => sum + shard.treeSize, 0), checkpoint };
}

async function askIndex(
  ask: AskLog,
  { max, ...call }: Omit<Search, "hash" | "identity">,
  query: object,
): Promise<readonly string[]> {
  const request = postRequest(call, "api/v1/index/retrieve", { body: query, maxBytes: MAX_INDEX_BYTES });
  const { value, answer } = await askJson(ask, { ...request, attempts: 4 });
  const index = v.safeParse(Index, value);
  if (!index.success) throw badAnswer(request, answer, "is not a list of entry UUIDs");
  const uuids = [...new Set(index.output)];
  if (uuids.length > max) {
    throw badAnswer(
      request,
      answer,
      `lists ${uuids.length} entries for one tag, more than ${max} are not read`,
    );
  }
  return uuids;
}

/** What an `intoto` 0.0.2 entry was made of. */
export interface SignedPayload {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** PEM: the certificate that stands for the signing key, or the key itself (SPKI). */
  readonly verifier: string;
}

const IntotoBody = v.object({
  kind: v.literal("intoto"),
  apiVersion: v.literal("0.0.2"),
  spec: v.object({
    content: v.object({
      envelope: v.object({
        signatures: v.strictTuple([v.object({ sig: v.string(), publicKey: v.string() })]),
      }),
      payloadHash: v.object({ algorithm: v.literal("sha256"), value: v.string() }),
    }),
  }),
});

/** Whether the body of a log entry is about this payload, signature and key, and about nothing else. */
export function isIntotoBodyOf(body: Uint8Array, { payload, signature, verifier }: SignedPayload): boolean {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return false;
  }
  const parsed = v.safeParse(IntotoBody, value);
  if (!parsed.success) return false;
  const { envelope, payloadHash } = parsed.output.spec.content;
  const [{ sig, publicKey }] = envelope.signatures;
  return (
    payloadHash.value === createHash("sha256").update(payload).digest("hex") &&
    // The log encodes what is base64 already once more.
    decode(sig) === Buffer.from(signature).toString("base64") &&
    sameBlock(decode(publicKey), verifier)
  );
}

function decode(base64: string): string {
  return Buffer.from(base64, "base64").toString("utf8");
}

/** Whether two PEM texts are the same block: logs write their lines anew. */
function sameBlock(one: string, other: string): boolean {
  const bare = (pem: string) => pem.replace(/\s+/g, "");
  return bare(one) === bare(other);
}

// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { parseLogEntry, LogEntryError } from "../log/entry.ts";
import { type AskLog, type LogCall, LogError } from "../log/json-api.ts";
import {
  findUuidsBy,
  type RawEntry,
  readLogSize,
  retrieveEntries,
  retrieveEntriesAt,
} from "../log/rekor-v1.ts";
import { RecordError } from "../record/error.ts";
import type { TrustedSigner } from "../record/signer.ts";
import { type Examination, type Examined, examineBody, examineEntry } from "./found-entry.ts";
import type { Leaf, LeafSource } from "./follow.ts";

/** Rekor answers no more at once. */
const BATCH = 10;
const BATCHES_AHEAD = 4;
/** The most entries of one signer that a search may name. */
const MAX_FOUND = 50_000;

/** The entries of the tree of a Rekor v1 log that grows, one by one. Its retired trees are not read. */
export function indexedSource(
  ask: AskLog,
  { call, examination }: { readonly call: LogCall; readonly examination: Examination },
): LeafSource & { readonly first: () => number } {
  let before: number | undefined;
  const readSize = async () => {
    const size = await readLogSize(ask, call);
    before = size.before;
    return size;
  };

  const leafAt = (index: number, { uuid, entry }: RawEntry): Leaf => {
    const logged = parseLogEntry(uuid, entry);
    if (logged.logIndex !== index)
      throw new LogError("bad-answer", `read entry ${index} of "${call.log.host}": it came as another one`);
    const body = Buffer.from(logged.body, "base64");
    return {
      hash: createHash("sha256").update(Uint8Array.of(0)).update(body).digest(),
      examine: () => examined(uuid, entry, examination),
    };
  };

  const batch = async (indexes: readonly number[]): Promise<readonly Leaf[]> => {
    const entries = await retrieveEntriesAt(ask, { ...call, logIndexes: indexes });
    const byIndex = new Map(entries.map((raw) => [indexOf(raw), raw]));
    return indexes.map((index) => {
      const raw = byIndex.get(index);
      if (raw === undefined)
        throw new LogError("bad-answer", `read "${call.log.host}": it does not give its entry ${index}`);
      return leafAt(index, raw);
    });
  };

  return {
    /** The index in the whole log of the tree's first entry; 0 until the log has been asked. */
    first: () => before ?? 0,
    group: 1,
    checkpoint: async () => (await readSize()).checkpoint,
    async *leaves(from, to) {
      const first = before ?? (await readSize()).before;
      const coming: Promise<readonly Leaf[]>[] = [];
      let next = from;
      for (let at = from; at < to; at += BATCH) {
        for (; next < to && coming.length < BATCHES_AHEAD; next += BATCH) {
          const count = Math.min(BATCH, to - next);
          const leaves = batch(Array.from({ length: count }, (_, n) => first + next + n));
          // It is looked at when it is its turn.
          leaves.catch(() => undefined);
          coming.push(leaves);
        }
        yield (await coming.shift()) ?? [];
      }
    },
  };
}

/** Whether a log's index can be asked for all of these signers: for a pattern it cannot. */
export function isSearchable(signers: readonly TrustedSigner[]): boolean {
  return signers.every(({ kind }) => kind !== "identity-pattern");
}

/**
 * What the log's index names for these signers, each entry proven to be in the log. Undefined when the log cannot be asked for
 * signers. An entry that does not hold is given to `onProblem`. Throws LogError, and what `ask` throws.
 */
export async function searchLog(
  ask: AskLog,
  {
    call,
    examination,
    onProblem,
  }: {
    readonly call: LogCall;
    readonly examination: Examination;
    readonly onProblem: (why: string) => void;
  },
): Promise<readonly Examined[] | undefined> {
  const uuids = new Set<string>();
  try {
    for (const signer of examination.signers)
      for (const by of queriesFor(signer))
        for (const uuid of await findUuidsBy(ask, { ...call, by, max: MAX_FOUND })) uuids.add(uuid);
  } catch (error) {
    const cannot = error instanceof LogError && [400, 404, 405, 422].includes(error.status);
    if (!cannot) throw error;
    return undefined;
  }
  const found: Examined[] = [];
  await retrieveEntries(ask, { ...call, uuids: [...uuids] }, (entries) => {
    for (const { uuid, entry } of entries) {
      try {
        if (entry === null)
          throw new LogEntryError(`log entry "${uuid}": the index names it, and the log does not give it`);
        found.push(examineEntry(uuid, entry, examination));
      } catch (error) {
        if (!(error instanceof RecordError || error instanceof LogEntryError)) throw error;
        onProblem(error.message);
      }
    }
  });
  return found;
}

function queriesFor(
  signer: TrustedSigner,
): readonly ({ readonly subject: string } | { readonly hash: string })[] {
  switch (signer.kind) {
    case "identity":
      return [{ subject: signer.identity }];
    case "key": {
      // The index has keys by the hash of their PEM, in the spelling of Go: with a line feed at its end.
      const pem = signer.publicKey.export({ format: "pem", type: "spki" }).toString();
      return [{ hash: `sha256:${createHash("sha256").update(pem).digest("hex")}` }];
    }
    case "identity-pattern":
      return [];
  }
}

/** The signed root proves the entry; where the log's own proofs beside it do not hold, it says nothing of the time. */
function examined(uuid: string, entry: unknown, examination: Examination): Examined {
  try {
    return examineEntry(uuid, entry, examination);
  } catch (error) {
    if (!(error instanceof RecordError || error instanceof LogEntryError)) throw error;
    const { body, logIndex: index } = parseLogEntry(uuid, entry);
    return examineBody(body, { index, place: `log entry "${uuid}"` }, examination);
  }
}

function indexOf({ entry }: RawEntry): number {
  const index =
    typeof entry === "object" && entry !== null && "logIndex" in entry ? entry.logIndex : undefined;
  return typeof index === "number" ? index : -1;
}

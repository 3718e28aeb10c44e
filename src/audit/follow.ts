// SPDX-License-Identifier: Apache-2.0
import { CompactRange } from "../log/compact-range.ts";
import { LogError } from "../log/json-api.ts";
import { type Checkpoint, CheckpointError, signedCheckpoint, type KnownLog } from "./checkpoint.ts";
import { finding, type Finding } from "./finding.ts";
import type { Examined, FoundEntry } from "./found-entry.ts";
import type { AuditState, Counts, Position } from "./state.ts";

/** One leaf of a log's tree. */
export interface Leaf {
  readonly hash: Buffer;
  /** What the audit makes of it; undefined: nobody who is looked for. Called once, before the next leaves come. */
  readonly examine: () => Examined | undefined;
}

/** The entries of a log's tree, however its API gives them. */
export interface LeafSource {
  /** So many leaves come in whole groups; a reading goes on at the beginning of one. */
  readonly group: number;
  /** The newest checkpoint, unverified. Throws LogError, and what asking throws. */
  readonly checkpoint: () => Promise<string>;
  /** The leaves from the beginning of a group on up to a size, in order, some at a time. Throws as `checkpoint`. */
  readonly leaves: (from: number, to: number) => AsyncIterable<readonly Leaf[]>;
}

/** What following a log takes. */
export interface Following {
  readonly log: KnownLog;
  readonly source: LeafSource;
  readonly state: AuditState;
  readonly signal: AbortSignal;
  readonly now: () => Date;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Told how many of how many entries are read. */
  readonly onProgress: (progress: { readonly done: number; readonly total: number }) => void;
}

/** What came of following a log. */
export interface Followed {
  readonly findings: readonly Finding[];
  /** How many entries were read now. */
  readonly read: number;
}

/** So many leaves are read between two writes to the state. */
const KEPT_LEAVES = 16 * 1024;
/** A log behind a cache may answer an older checkpoint for some seconds. */
const OLDER_ATTEMPTS = 3;
const OLDER_PAUSE_MS = 5_000;

/**
 * Reads a log from where its state stands up to its newest checkpoint. The state advances when, and only when, the leaves make
 * the root that the log signed: that proves that nothing before was changed, and that everything was read. A reading that did
 * not end is gone on with first. Throws LogError, StateError, and what asking throws.
 */
export async function followLog(following: Following): Promise<Followed> {
  const { log, state } = following;
  const id = log.logID.toString("hex");
  let read = 0;
  const open = state.reading(id);
  if (open !== undefined) {
    const target = signedOr(open.checkpoint, log);
    if (target === undefined) state.drop(id);
    else {
      const outcome = await readTo(target, { ...following, open });
      read += outcome.read;
      if (outcome.findings.length > 0) return { findings: outcome.findings, read };
    }
  }
  let newest: Checkpoint;
  try {
    newest = await newestCheckpoint(following);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    return { findings: [finding("log-not-signed", { message: error.message, log: log.baseURL })], read };
  }
  const outcome = await readTo(newest, { ...following, open: undefined });
  return { findings: outcome.findings, read: read + outcome.read };
}

/** A checkpoint from the state; undefined when the trusted root's key for the log is another one by now. */
function signedOr(text: string, log: KnownLog): Checkpoint | undefined {
  try {
    return signedCheckpoint(text, log);
  } catch (error) {
    if (error instanceof CheckpointError) return undefined;
    throw error;
  }
}

/** The log's newest checkpoint, asked for again while it is older than what is proven. Throws CheckpointError, and what asking throws. */
async function newestCheckpoint({ log, source, state, pause, signal }: Following): Promise<Checkpoint> {
  const known = state.proven(log.logID.toString("hex"))?.range.size ?? 0;
  for (let attempt = 1; ; attempt++) {
    const checkpoint = signedCheckpoint(await source.checkpoint(), log);
    if (checkpoint.size >= known || attempt === OLDER_ATTEMPTS) return checkpoint;
    await pause(OLDER_PAUSE_MS, signal);
  }
}

async function readTo(
  target: Checkpoint,
  { log, source, state, signal, now, onProgress, open }: Following & { readonly open: Position | undefined },
): Promise<Followed> {
  const id = log.logID.toString("hex");
  const { baseURL: url } = log;
  const proven = state.proven(id);
  const known = proven?.range ?? new CompactRange();
  const wrong = (kind: "log-shrunk" | "log-forked" | "log-inconsistent", message: string, read = 0) => ({
    read,
    findings: [
      finding(kind, {
        message: `the log "${url}" ${message}`,
        log: url,
        evidence: [...(proven === undefined ? [] : [proven.checkpoint]), target.text],
      }),
    ],
  });
  if (target.size < known.size)
    return wrong("log-shrunk", `signed a tree of ${target.size} entries, after one of ${known.size}`);
  if (target.size === known.size) {
    if (target.root === known.root().toString("hex")) {
      if (proven === undefined)
        state.prove(id, { ...NOTHING, range: known, checkpoint: target.text }, { found: [], at: now() });
      return { findings: [], read: 0 };
    }
    return wrong("log-forked", `signed two trees of ${target.size} entries that differ`);
  }

  const from = open?.range ?? known;
  const counts = { ...(open ?? proven ?? NOTHING) } satisfies Counts as {
    -readonly [K in keyof Counts]: number;
  };
  // From the beginning of a group on, so that what was read of its first part is held against what it says now.
  const range = from.wholeGroups(source.group);
  let found: FoundEntry[] = [];
  let kept = range.size;
  let read = 0;
  for await (const leaves of source.leaves(range.size, target.size)) {
    signal.throwIfAborted();
    for (const { hash, examine } of leaves) {
      range.append(hash);
      if (range.size <= from.size) {
        if (range.size === from.size && !range.root().equals(from.root())) {
          state.drop(id);
          const group = `${range.size - (range.size % source.group)} to ${range.size - 1}`;
          return wrong(
            "log-inconsistent",
            `gives other entries at the indexes ${group} than it gave before`,
            read,
          );
        }
        continue;
      }
      read += 1;
      counts.entries += 1;
      const examined = examine();
      if (examined?.kind === "found") found.push(examined.entry);
      if (examined?.kind === "unreadable") counts.unreadable += 1;
      if (examined?.kind === "impostor") counts.impostors += 1;
    }
    onProgress({ done: range.size - known.size, total: target.size - known.size });
    if (range.size - kept >= KEPT_LEAVES && range.size > from.size && range.size < target.size) {
      state.advance(id, { ...counts, range, checkpoint: target.text }, found);
      found = [];
      kept = range.size;
    }
  }
  if (range.size !== target.size)
    throw new LogError("bad-answer", `read "${url}": it gave ${range.size} of ${target.size} entries`);
  if (range.root().toString("hex") !== target.root) {
    state.drop(id);
    const since = known.size === 0 ? "" : `, after the proven ones up to ${known.size - 1}`;
    return wrong(
      "log-inconsistent",
      `gives entries that do not make the tree of ${target.size} entries that it signed${since}: it forked, or changed, repeated or left out some`,
      read,
    );
  }
  state.prove(id, { ...counts, range, checkpoint: target.text }, { found, at: now() });
  return { findings: [], read };
}

const NOTHING: Counts = { entries: 0, unreadable: 0, impostors: 0 };

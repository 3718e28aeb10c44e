// SPDX-License-Identifier: Apache-2.0
// The package exports it with the proof of an entry alone.
import { verifyCheckpoint } from "@sigstore/verify/dist/tlog/checkpoint.js";
import type { TransparencyLogEntry } from "@sigstore/protobuf-specs";
import { LogEntryError, treeHead } from "../log/entry.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";

/** A log of a trusted root. */
export type KnownLog = TrustedRoot["material"]["tlogs"][0];

/** What a log has signed of its tree. */
export interface Checkpoint {
  readonly size: number;
  /** Hex. */
  readonly root: string;
  /** The signed note. */
  readonly text: string;
}

/** A checkpoint that its log has not signed. The message says why. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
}

/** Reads a checkpoint that this log, and no other of the trusted root, has signed. Throws CheckpointError. */
export function signedCheckpoint(text: string, log: KnownLog): Checkpoint {
  const place = `"${log.baseURL}"`;
  try {
    const { treeSize, rootHash: root } = treeHead(text, place);
    const entry = { inclusionProof: { checkpoint: { envelope: text } } } as unknown as TransparencyLogEntry;
    verifyCheckpoint(entry as Parameters<typeof verifyCheckpoint>[0], [log]);
    const size = Number(treeSize);
    if (Number.isSafeInteger(size)) return { size, root, text };
  } catch (cause) {
    const why =
      cause instanceof LogEntryError ? "it is no signed tree head" : "its signature is not the log's";
    throw new CheckpointError(`the checkpoint of ${place} does not hold: ${why}`, { cause });
  }
  throw new CheckpointError(`the checkpoint of ${place} names a tree that is too large`);
}

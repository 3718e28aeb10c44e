// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import type { Bridge } from "../gateway/bridge.ts";
import { textAnswer } from "./text-answer.ts";
import { TEXT_REQUESTS } from "./text-requests.ts";
import { progressVertices } from "../llb/progress-vertices.ts";
import { singleFile } from "../llb/single-file.ts";
import type { LockFile } from "../lock/file.ts";
import { LOCK_FILE } from "../lock/name.ts";
import { isChanged, type LockUpdate, updateLock } from "../lock/update.ts";
import { lockChangeLines } from "../report/lock-changes.ts";

/**
 * The lock file as it is to be for these judgements, given the one that there is, and the day of the check if the file
 * is to say it. Throws LockError.
 */
export function newLock(
  old: LockFile | undefined,
  judgements: readonly Judgement[],
  checked?: string,
): LockUpdate {
  return updateLock({ old, checked, records: judgements.flatMap(({ records }) => records) });
}

/** The answer to the request for the lock file: the file itself; or, when it is to be checked, what would change. */
export function printLock(update: LockUpdate, { isCheck }: { readonly isCheck: boolean }): Uint8Array {
  const lines = lockChangeLines(update);
  const json = {
    changed: isChanged(update.changes),
    tags: update.changes.map(({ reference, kept, added, dropped }) => ({
      reference,
      kept: kept.length,
      added: added.map(({ digest }) => digest),
      dropped: dropped.map(({ digest }) => digest),
    })),
  };
  if (!isCheck) return textAnswer(TEXT_REQUESTS.lock, { text: update.text, json, status: 0 });
  const text = `${lines.join("\n")}\n`;
  return textAnswer(TEXT_REQUESTS.lock, { text, json, status: isChanged(update.changes) ? 1 : 0 });
}

/** The result of a build that updates the lock file: a filesystem with that one file. What changes is shown. */
export async function writeLock(bridge: Bridge, update: LockUpdate, path = LOCK_FILE): Promise<Uint8Array> {
  const { definition } = progressVertices(lockChangeLines(update));
  await bridge.solve({ Definition: definition, Evaluate: true });
  const file = singleFile({ path, data: Buffer.from(update.text) }, `[tlog] write ${path}`);
  return bridge.solve({ Definition: file });
}

// SPDX-License-Identifier: Apache-2.0
import type { Bridge } from "../gateway/bridge.ts";
import { textAnswer } from "./answer.ts";
import { progressVertices } from "../llb/progress-vertices.ts";
import { singleFile } from "../llb/single-file.ts";
import { LOCK_FILE } from "../lock/name.ts";
import { isChanged, type LockChange, type LockUpdate } from "../lock/update.ts";

/** What an update of the lock file changes, in lines: one for each tag that is new, changed or gone, and a count. */
export function lockChangeLines({ changes, unlockable }: LockUpdate): string[] {
  const count = (fits: (change: LockChange) => boolean) => changes.filter(fits).length;
  const lines = changes.filter((change) => isChanged([change])).map(changeLine);
  const weaker = unlockable.map(
    (record) =>
      `tlog.lock: ${record.reference} has a record by tlogistry, of which there is no bundle to keep`,
  );
  const kept = count((change) => !isChanged([change]));
  const summary = `tlog.lock: ${kept} ${kept === 1 ? "tag" : "tags"} as before, ${lines.length} changed`;
  return [...lines, ...weaker, lines.length === 0 ? `${summary}: it is as it should be` : summary];
}

function changeLine({ reference, isUsed, kept, added, dropped }: LockChange): string {
  const digests = (list: LockChange["added"]) => list.map(({ digest }) => digest).join(", ");
  if (!isUsed) return `tlog.lock: - ${reference}: no stage uses it any more (${digests(dropped)})`;
  const parts = [
    ...(added.length > 0 ? [`adds ${digests(added)}`] : []),
    ...(dropped.length > 0 ? [`drops ${digests(dropped)}`] : []),
  ];
  return `tlog.lock: ${kept.length + dropped.length === 0 ? "+" : "~"} ${reference}: ${parts.join(", ")}`;
}

/** The answer to the request for the lock file: the file itself; or, when it is to be checked, what would change. */
export function printLock(update: LockUpdate, { isCheck }: { readonly isCheck: boolean }): Uint8Array {
  const json = {
    changed: isChanged(update.changes),
    tags: update.changes.map(({ reference, isUsed, kept, added, dropped }) => ({
      reference,
      used: isUsed,
      kept: kept.length,
      added: added.map(({ digest }) => digest),
      dropped: dropped.map(({ digest }) => digest),
    })),
  };
  if (!isCheck) return textAnswer({ text: update.text, json, status: 0 });
  const text = `${lockChangeLines(update).join("\n")}\n`;
  return textAnswer({ text, json, status: json.changed ? 1 : 0 });
}

/** The result of a build that updates the lock file: a filesystem with that one file. What changes is shown. */
export async function writeLock(bridge: Bridge, update: LockUpdate, path = LOCK_FILE): Promise<Uint8Array> {
  const { definition } = progressVertices(lockChangeLines(update));
  await bridge.solve({ Definition: definition, Evaluate: true });
  const file = singleFile({ path, data: Buffer.from(update.text) }, `[tlog] write ${path}`);
  return bridge.solve({ Definition: file });
}

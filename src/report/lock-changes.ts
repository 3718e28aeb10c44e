// SPDX-License-Identifier: Apache-2.0
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

function changeLine({ reference, kept, added, dropped }: LockChange): string {
  const digests = (list: LockChange["added"]) => list.map(({ digest }) => digest).join(", ");
  if (added.length === 0 && kept.length === 0)
    return `tlog.lock: - ${reference}: no stage uses it any more (${digests(dropped)})`;
  const parts = [
    ...(added.length > 0 ? [`adds ${digests(added)}`] : []),
    ...(dropped.length > 0 ? [`drops ${digests(dropped)}`] : []),
  ];
  return `tlog.lock: ${kept.length + dropped.length === 0 ? "+" : "~"} ${reference}: ${parts.join(", ")}`;
}

// SPDX-License-Identifier: Apache-2.0

/** Where something is in a log, and when it was there. */
export interface Logged {
  /** What tells the log from others. */
  readonly logId: string;
  readonly logIndex: bigint;
  readonly loggedAt: Date;
}

/**
 * The earliest first: by index within a log. Indexes of two logs say nothing of each other; there the proven times
 * decide, and of the same instant the logs' IDs, so that everybody who has the same records has them in the same order.
 */
export function inLogOrder<T extends Logged>(entries: readonly T[]): readonly T[] {
  const byIndex = entries.toSorted((a, b) => compare(a.logIndex, b.logIndex));
  const clocks = new Map<string, number>();
  const timed = byIndex.map((entry) => {
    // A log's clock that was set back must not turn the log's order round.
    const time = Math.max(clocks.get(entry.logId) ?? 0, entry.loggedAt.getTime());
    clocks.set(entry.logId, time);
    return { entry, time };
  });
  return timed
    .toSorted((a, b) => compare(a.time, b.time) || compare(a.entry.logId, b.entry.logId))
    .map(({ entry }) => entry);
}

function compare<T extends number | bigint | string>(a: T, b: T): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

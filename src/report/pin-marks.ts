// SPDX-License-Identifier: Apache-2.0
import type { TagRecord } from "../record/record.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** Ages of a record, in days, at which a pin is worth a thought; behind them each year. */
const MARKS = [0, 30, 90, 180];
const YEAR = 365;
/** How long a mark is told, so that a weekly build does not miss it. */
const TOLD_DAYS = 7;

/**
 * Whether a build warns of an image that is pinned to this record: in the seven days from the record, and from 30, 90 and 180
 * days and each year after it. In between its line in the progress says it. No state is needed, so every builder does the same.
 */
export function isPinTold({ loggedAt }: Pick<TagRecord, "loggedAt">, now: Date): boolean {
  const age = (now.getTime() - loggedAt.getTime()) / DAY_MS;
  const sinceYear = age >= YEAR ? age % YEAR : TOLD_DAYS;
  return [...MARKS.map((mark) => age - mark), sinceYear].some((since) => since >= 0 && since < TOLD_DAYS);
}

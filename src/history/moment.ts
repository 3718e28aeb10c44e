// SPDX-License-Identifier: Apache-2.0

const DAY = /^\d{4}-\d\d-\d\d$/;
const TIME =
  /^(\d{4}-\d\d-\d\d)[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/**
 * Reads a day (`2026-03-01`: its end in UTC) or a time (RFC 3339). Undefined for any other text, and for what is in no calendar.
 * A day that has begun is asked about as it is so far.
 */
export function readMoment(text: string): Date | undefined {
  const day = DAY.test(text) ? text : TIME.exec(text)?.[1];
  if (day === undefined || !isInCalendar(day)) return undefined;
  const moment = new Date(DAY.test(text) ? `${text}T23:59:59.999Z` : text.toUpperCase());
  return Number.isNaN(moment.getTime()) ? undefined : moment;
}

/** Whether nothing of the day, or the time, is over. */
export function isAhead(text: string, now: Date): boolean {
  const begin = new Date(DAY.test(text) ? `${text}T00:00:00Z` : text.toUpperCase());
  return begin.getTime() > now.getTime();
}

/** JavaScript rolls the 30th of February over into March. */
function isInCalendar(day: string): boolean {
  const date = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day);
}

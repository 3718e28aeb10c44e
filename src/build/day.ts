// SPDX-License-Identifier: Apache-2.0

/** The day of an instant in UTC, `2026-11-21`. */
export function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10);
}

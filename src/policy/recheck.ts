// SPDX-License-Identifier: Apache-2.0
import type { Recheck } from "./settings.ts";

/**
 * Whether the log is to be asked about what a lock file has already. `checked` is the day that the file says it was
 * checked on, and `today` is one too (UTC, `2026-11-21`): builders remember nothing between builds, so the file does.
 * A file that was checked on a day to come was not.
 */
export function isRecheckDue(
  recheck: Recheck,
  { checked, today }: { readonly checked: string | undefined; readonly today: string },
): boolean {
  switch (recheck) {
    case "never":
      return false;
    case "daily":
      return checked !== today;
    case "always":
      return true;
  }
}

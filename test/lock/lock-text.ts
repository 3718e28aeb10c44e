// SPDX-License-Identifier: Apache-2.0
import { joinLines, recordLine } from "../../src/lock/file.ts";
import type { TagRecord } from "../../src/record/record.ts";

/** The text of a lock file with these records, whether or not their bundles are any good. */
export function formatLockFile(records: readonly TagRecord[]): string {
  return joinLines(records.flatMap((record) => recordLine(record) ?? []));
}

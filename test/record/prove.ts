// SPDX-License-Identifier: Apache-2.0
import { readEvidence } from "../../src/record/history.ts";
import type { RecordContext, TagRecord } from "../../src/record/record.ts";

/** The record that an entry of a Rekor v1 log proves, as a history does it. Throws RecordError and LogEntryError. */
export function proveEntry(
  { uuid, entry }: { readonly uuid: string; readonly entry: unknown },
  context: RecordContext,
): TagRecord {
  return readEvidence({ kind: "entry", uuid, entry }, context).prove();
}

/** The same of a bundle; `place` is for messages. */
export function proveBundle(bundle: unknown, context: RecordContext, place: string): TagRecord {
  return readEvidence({ kind: "bundle", bundle, place }, context).prove();
}

// SPDX-License-Identifier: Apache-2.0
import { prepareDsse } from "./dsse-entry.ts";
import { prepareHashedrekord } from "./hashedrekord-entry.ts";
import { prepareIntoto } from "./intoto-entry.ts";
import { isFields, requiredFields, requiredString, type Fields } from "./json-fields.ts";
import type { PreparedEntry } from "./prepared-entry.ts";
import { invalid, rejected } from "./refusal.ts";

const PREPARERS: Readonly<Record<string, (spec: Fields) => PreparedEntry>> = {
  "intoto 0.0.2": prepareIntoto,
  "dsse 0.0.1": prepareDsse,
  "hashedrekord 0.0.1": prepareHashedrekord,
};
const OTHER_KINDS = new Set("alpine cose helm jar rekord rfc3161 rpm tuf".split(" "));
const KINDS = new Set(["intoto", "dsse", "hashedrekord"]);

/**
 * Checks a proposed Rekor v1 entry (parsed JSON), its signatures included, and returns what the log keeps of it.
 * Taken are `intoto` 0.0.2, `dsse` 0.0.1 and `hashedrekord` 0.0.1. The other kinds of the real server get the answer
 * of one that has them switched off; of `intoto`, version 0.0.1 is refused too, which the real server still takes.
 * Throws Refusal.
 */
export function prepareEntry(proposed: unknown): PreparedEntry {
  if (!isFields(proposed)) throw invalid(602, "proposedEntry in body is required");
  const kind = typeof proposed["kind"] === "string" ? proposed["kind"] : "";
  if (OTHER_KINDS.has(kind)) {
    throw rejected(`entry kind '${kind}' is not enabled for submission on this server`);
  }
  if (!KINDS.has(kind)) throw invalid(422, `invalid kind value: ${JSON.stringify(kind.slice(0, 100))}`);
  const version = requiredString(proposed, "apiVersion");
  const prepare = PREPARERS[`${kind} ${version}`];
  if (prepare === undefined) {
    throw rejected(
      `entry kind '${kind}' does not support inserting entries of version '${version.slice(0, 100)}'`,
    );
  }
  return prepare(requiredFields(proposed, "spec"));
}

// SPDX-License-Identifier: Apache-2.0
import { prepareDsse } from "./dsse-entry.ts";
import { prepareHashedrekord } from "./hashedrekord-entry.ts";
import { prepareIntoto } from "./intoto-entry.ts";
import { isFields, requiredFields, requiredString, type Fields } from "./json-fields.ts";
import type { PreparedEntry } from "./prepared-entry.ts";
import { invalid, Refusal, rejected } from "./refusal.ts";

const PREPARERS: Readonly<Record<string, (spec: Fields) => PreparedEntry>> = {
  "intoto 0.0.2": prepareIntoto,
  "dsse 0.0.1": prepareDsse,
  "hashedrekord 0.0.1": prepareHashedrekord,
};
const OTHER_KINDS = new Set("alpine cose helm jar rekord rfc3161 rpm tuf".split(" "));
/** A semantic version, as the API's schema has it, but for its pre-release and build parts, which nobody uses. */
const VERSION = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:[-+][0-9A-Za-z.+-]+)?$/;
const KINDS = new Set(["intoto", "dsse", "hashedrekord"]);

/**
 * Checks a proposed Rekor v1 entry (parsed JSON), its signatures included, and returns what the log keeps of it.
 * Taken are `intoto` 0.0.2, `dsse` 0.0.1 and `hashedrekord` 0.0.1. The other kinds of the real server get the answer
 * of one that has them switched off; of `intoto`, version 0.0.1 is refused too, which the real server still takes.
 * Throws Refusal.
 */
export function prepareEntry(proposed: unknown): PreparedEntry {
  // `null` is read as an object without anything in it, as Go does.
  if (!isFields(proposed)) throw invalid(602, "kind in body is required");
  const kind = requiredString(proposed, "kind");
  if (OTHER_KINDS.has(kind)) {
    throw rejected(`entry kind '${kind}' is not enabled for submission on this server`);
  }
  if (!KINDS.has(kind)) throw invalid(422, `invalid kind value: ${JSON.stringify(kind.slice(0, 100))}`);
  const version = requiredString(proposed, "apiVersion");
  if (!VERSION.test(version)) throw invalid(605, `apiVersion in body should match '${VERSION.source}'`);
  const prepare = PREPARERS[`${kind} ${version}`];
  if (prepare === undefined) {
    throw rejected(
      `entry kind '${kind}' does not support inserting entries of version '${version.slice(0, 100)}'`,
    );
  }
  const spec = requiredFields(proposed, "spec");
  try {
    return prepare(spec);
  } catch (error) {
    // The schema of a kind is checked by the server's own code, which has its own way to say no.
    if (!(error instanceof Refusal) || error.code !== "validation") throw error;
    throw rejected(`validation failure list:\n${error.message}`);
  }
}

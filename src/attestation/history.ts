// SPDX-License-Identifier: Apache-2.0
import { taggedName } from "../image/reference.ts";
import type { RecordErrorCode } from "../record/error.ts";
import { EvidenceError } from "./error.ts";
import { type History, readHistory } from "../record/history.ts";
import type { RecordContext } from "../record/record.ts";

/** What a bundle may come to without anything being wrong with it: the policy does not count it. */
const NOT_COUNTED: ReadonlySet<RecordErrorCode> = new Set(["untrusted-signer", "unnamed-log"]);

/**
 * The history of a tag as the bundles prove it that an image carries about it. Those by somebody whom the policy does
 * not trust are counted among the rejected; any other that does not hold is an EvidenceError ("unproven", with the
 * reason): a build writes what it has proven, so such a bundle was changed. A reason of "unknown-log" or
 * "bad-certificate" may be a trusted root that is older than the image. `place` is for messages.
 */
export function carriedHistory(bundles: readonly unknown[], context: RecordContext, place: string): History {
  const evidence = bundles.map((bundle, index) => ({
    kind: "bundle" as const,
    bundle,
    place: `${place}, bundle ${index + 1} of "${taggedName(context.subject)}"`,
  }));
  for (const each of evidence) {
    const { records, rejected } = readHistory([each], context);
    const [reason = "malformed"] = rejected.keys();
    if (records.length > 0 || NOT_COUNTED.has(reason)) continue;
    const why =
      reason === "wrong-subject" ? "it is about another tag" : `it does not prove a record (${reason})`;
    throw new EvidenceError("unproven", `read ${each.place}: ${why}; the evidence was changed`, { reason });
  }
  return readHistory(evidence, context);
}

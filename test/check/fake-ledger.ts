// SPDX-License-Identifier: Apache-2.0
import { taggedName } from "../../src/image/reference.ts";
import type { Ledger, LedgerFailure } from "../../src/ledger/answer.ts";
import { readHistory } from "../../src/record/history.ts";
import { asEvidence, type SampleLog } from "../record/sample-log.ts";

/** What a fake ledger has: the entries of a log with these places, or why it cannot be read. */
export type Content =
  | { readonly log: SampleLog; readonly entries: readonly number[] }
  | LedgerFailure
  | "not-watched";

/** A fake ledger: it proves what it has like a real one, and has no head, no parts and no registry. */
export function fakeLedger(
  name: string,
  content: Content,
  asked: string[],
  detail = `${String(content)}: why`,
): Ledger {
  return {
    name,
    start: () => undefined,
    async read(subject, trust) {
      asked.push(`${name} ${taggedName(subject)}`);
      if (content === "not-watched") return { kind: "not-watched" };
      if (typeof content === "string") return { kind: "failed", reason: content, detail };
      const { log, entries } = content;
      const lines = log.log.entries.filter((_, index) => entries.includes(index));
      const evidence = lines.map((entry) => asEvidence(log.found(entry)));
      return {
        kind: "watched",
        history: readHistory(evidence, { subject, trust, trustedRoot: log.trustedRoot }),
      };
    },
  };
}

// SPDX-License-Identifier: Apache-2.0
import { parseReference } from "../../src/image/reference.ts";
import { type History, readHistory, type Standing, standing } from "../../src/record/history.ts";
import type { Trust } from "../../src/record/signer.ts";
import { asEvidence, type SampleLog } from "../record/sample-log.ts";

/** What a log has of a tag for who trusts these, as a lock file or another build would know it. */
export function historyIn(
  log: SampleLog,
  { reference, trust }: { readonly reference: string; readonly trust: readonly Trust[] },
): { readonly history: History; readonly standing: Standing | undefined } {
  const history = readHistory(
    log.log.entries.map((entry) => asEvidence(log.found(entry))),
    { subject: parseReference(reference), trust, trustedRoot: log.trustedRoot },
  );
  return { history, standing: standing(history) };
}

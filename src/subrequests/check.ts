// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import type { Report } from "../report/report.ts";
import { reportText } from "../report/report-text.ts";
import { textAnswer } from "./text-answer.ts";
import { TEXT_REQUESTS } from "./text-requests.ts";

/** The verdicts alone, as the answer to the request for them; with status 1 when the build would be refused. */
export function showCheck(report: Report, judgements: readonly Judgement[]): Uint8Array {
  const status = judgements.some(({ outcome }) => outcome === "refuse") ? 1 : 0;
  return textAnswer(TEXT_REQUESTS.check, { text: reportText(report, judgements), json: report, status });
}

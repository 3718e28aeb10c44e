// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import type { Verdict } from "../check/verdict.ts";
import { ignoredEntries } from "./evidence.ts";
import { messageName, messageUrl } from "./message-name.ts";
import type { About, Row } from "./message-row.ts";
import { MESSAGES } from "./message-table.ts";

/** What a client shows of an image that is built although something is the matter with it. */
export interface WarningText {
  /** One line with the message's name, which most clients show alone. */
  readonly short: string;
  readonly detail: readonly string[];
  /** The message's section in the documentation. */
  readonly url: string;
}

/** The progress line of a judgement. */
export function progressLine(judgement: Judgement): string {
  const { row, about } = rowOf(judgement);
  return [row.line(about), ignoredEntries(judgement.rejected)].filter(Boolean).join("; ");
}

/** The warning about a judgement whose outcome is one. */
export function warningText(judgement: Judgement): WarningText {
  const { row, about } = rowOf(judgement);
  const name = messageName(judgement);
  const { short = row.line, headline, details } = row.trouble ?? {};
  return {
    short: `${name}: ${short(about)}`,
    detail: [headline?.(about) ?? "", ...(details?.(about) ?? []), ignoredEntries(judgement.rejected)].filter(
      Boolean,
    ),
    url: messageUrl(name),
  };
}

/** The text of the one error that stops a build for these refused images, the first one's reason on the first line. */
export function refusalMessage(judgements: readonly Judgement[]): string {
  return judgements.flatMap(refusalLines).join("\n");
}

/** The lines of one refused image: the first says it all, and those below it are indented. */
function refusalLines(judgement: Judgement): string[] {
  const { row, about } = rowOf(judgement);
  const name = messageName(judgement);
  const { short = row.line, headline = short, details } = row.trouble ?? {};
  const below = [...(details?.(about) ?? []), ignoredEntries(judgement.rejected)].filter(Boolean);
  return [headline(about), ...[...below, `${name}: ${messageUrl(name)}`].map((line) => `  ${line}`)];
}

/** The row of a judgement's message. TypeScript does not follow that the name decides the kind of the verdict. */
function rowOf(judgement: Judgement): { row: Row<Verdict["kind"]>; about: About<Verdict["kind"]> } {
  return {
    row: MESSAGES[messageName(judgement)] as unknown as Row<Verdict["kind"]>,
    about: judgement as About<Verdict["kind"]>,
  };
}

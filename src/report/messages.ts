// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import { type MessageName, textsOf } from "./message-table.ts";
import { ignoredEntries, namedByLine } from "./phrases.ts";

/** What a client shows of an image that is built with a warning. */
export interface WarningText {
  /** One line with the message's name, which most clients show alone. */
  readonly short: string;
  readonly detail: readonly string[];
  /** The message's section in the documentation. */
  readonly url: string;
}

const DOCUMENTATION = "https://github.com/tlog-dockerfile/tlog-dockerfile/blob/main/docs/messages.md";

/** Where a message is explained. */
export function messageUrl(name: MessageName): string {
  return `${DOCUMENTATION}#${name.toLowerCase()}`;
}

/** The progress line of a judgement. */
export function progressLine(judgement: Judgement): string {
  return [textsOf(judgement).line, ignoredEntries(judgement.rejected)].filter(Boolean).join("; ");
}

/** The warning about a judgement whose outcome is one. */
export function warningText(judgement: Judgement): WarningText {
  const { name, line, trouble } = textsOf(judgement);
  return {
    short: `${name}: ${trouble?.short ?? line}`,
    detail: [trouble?.headline ?? "", ...detailsOf(judgement)].filter(Boolean),
    url: messageUrl(name),
  };
}

/** The text of the one error that stops a build for these refused images, the first one's reason on the first line. */
export function refusalMessage(judgements: readonly Judgement[]): string {
  return judgements.flatMap(refusalLines).join("\n");
}

/** The lines of one refused image: the first is complete in itself, and those below it are indented. */
function refusalLines(judgement: Judgement): string[] {
  const { name, line, trouble } = textsOf(judgement);
  const below = [...detailsOf(judgement), `${name}: ${messageUrl(name)}`];
  return [trouble?.headline ?? trouble?.short ?? line, ...below.map((each) => `  ${each}`)];
}

function detailsOf(judgement: Judgement): string[] {
  const details = textsOf(judgement).trouble?.details ?? [];
  return [...namedByLine(judgement.namedBy), ...details, ignoredEntries(judgement.rejected)].filter(Boolean);
}

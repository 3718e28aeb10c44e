// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import type { MessageName } from "./message-names.ts";
import { textsOf } from "./message-table.ts";
import { contradictionLines, foreignLine, ignoredEntries, unreadLine } from "./phrases.ts";
import { namedByLine, type PlacedJudgement } from "./place.ts";
import { sharedKey, type ToldBuild, type WayOut, wayOutLines } from "./ways-out.ts";

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

/** How many ledgers a progress line names; the report has all of them. */
const MAX_NAMES = 2;

/** The progress line of a judgement. */
export function progressLine(judgement: Judgement): string {
  const { rejected, foreign, contradiction } = judgement;
  const names = contradiction?.ledgers.map(({ name }) => name) ?? [];
  const more = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : "";
  const parts = [
    textsOf(judgement).line,
    names.length > 0 && `these ledgers do not agree about it: ${names.slice(0, MAX_NAMES).join(", ")}${more}`,
    ...foreign.map(foreignLine),
    ignoredEntries(rejected),
  ];
  return parts.filter(Boolean).join("; ");
}

/** What people should know of ledgers that could not be read while other records decided: a line for each ledger. */
export function unreadLines(judgements: readonly Judgement[]): readonly string[] {
  const unread = judgements.flatMap((judgement) => judgement.unread ?? []);
  return [...new Map(unread.map((each) => [each.ledger, unreadLine(each)])).values()];
}

/** The warning about a judgement whose outcome is one. */
export function warningText(judgement: PlacedJudgement, build: ToldBuild): WarningText {
  const { name, line, trouble } = textsOf(judgement);
  return {
    short: `${name}: ${trouble?.short ?? line}`,
    detail: [
      trouble?.headline ?? "",
      ...detailsOf(judgement),
      ...waysOf(judgement).flatMap((way) => wayOutLines([{ way, judgement }], build)),
      ignoredEntries(judgement.rejected),
    ].filter(Boolean),
    url: messageUrl(name),
  };
}

/**
 * The text of the one error that stops a build for these refused images. The first line of each is complete in itself, and
 * those below it are indented; what helps with several of them stands once, at the end.
 */
export function refusalMessage(judgements: readonly PlacedJudgement[], build: ToldBuild): string {
  const all = judgements.flatMap((judgement) => waysOf(judgement).map((way) => ({ way, judgement })));
  const byKey = Map.groupBy(all, ({ way, judgement }) => sharedKey(way, judgement));
  byKey.delete(undefined);
  const shared = [...byKey.values()].filter((ways) => ways.length > 1);
  const told = new Set(shared.flat());
  const names = Map.groupBy(judgements, (judgement) => textsOf(judgement).name);
  const blocks = judgements.flatMap((judgement) => {
    const { name, line, trouble } = textsOf(judgement);
    const own = all.filter((each) => each.judgement === judgement && !told.has(each));
    const below = [
      ...detailsOf(judgement),
      ...own.flatMap((each) => wayOutLines([each], build)),
      ignoredEntries(judgement.rejected),
      names.get(name)?.length === 1 ? urlLine(name) : "",
    ];
    return [trouble?.headline ?? trouble?.short ?? line, ...indented(below)];
  });
  const common = [
    ...shared.flatMap((ways) => wayOutLines(ways, build)),
    ...[...names].flatMap(([name, of]) => (of.length > 1 ? [urlLine(name)] : [])),
  ];
  return [...blocks, ...(common.length > 0 ? ["for more than one of them:"] : []), ...indented(common)].join(
    "\n",
  );
}

function indented(lines: readonly string[]): string[] {
  return lines.filter(Boolean).map((line) => `  ${line}`);
}

function urlLine(name: MessageName): string {
  return `${name}: ${messageUrl(name)}`;
}

function detailsOf(judgement: PlacedJudgement): string[] {
  const details = textsOf(judgement).trouble?.details ?? [];
  return [
    ...namedByLine(judgement),
    ...details,
    ...contradictionLines(judgement.contradiction),
    ...judgement.foreign.map(foreignLine),
  ];
}

function waysOf(judgement: Judgement): readonly WayOut[] {
  return textsOf(judgement).trouble?.ways ?? [];
}

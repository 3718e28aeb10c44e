// SPDX-License-Identifier: Apache-2.0
import type { Reference } from "../image/reference.ts";
import type { LedgerAnswer, LedgerFailure } from "../ledger/answer.ts";
import { type History, standing } from "../record/history.ts";
import type { Trust } from "../record/signer.ts";
import type { CheckContext } from "./context.ts";
import type { Contradiction, Lookup, UnreadLedger } from "./verdict.ts";

/** What the ledgers of a check say of one tag. */
export interface LedgersTold {
  /** All that were asked. */
  readonly names: readonly string[];
  readonly histories: readonly History[];
  /** Those that could not be read, the gravest first. */
  readonly unread: readonly UnreadLedger[];
  readonly contradiction?: Contradiction;
}

/** The gravest first: what somebody did, then what time did, then what nobody could help. */
const GRAVITY: readonly LedgerFailure[] = [
  "ledger-broken",
  "ledger-foreign",
  "ledger-too-old",
  "ledger-unreachable",
  "ledger-not-there",
];

/** Asks all ledgers at once. Throws for a ledger of the policy that the check was not given: its tags would all look new. */
export async function askLedgers(
  { policy, ledgers = [] }: Pick<CheckContext, "policy" | "ledgers">,
  {
    reference,
    isFollowed,
    trust,
  }: { readonly reference: Reference; readonly isFollowed: boolean; readonly trust: readonly Trust[] },
): Promise<LedgersTold> {
  if (ledgers.length !== policy.ledgers.length) throw new Error("a ledger of the policy cannot be asked");
  const answers = await Promise.all(
    ledgers.map(async (ledger) => ({ name: ledger.name, answer: await ledger.read(reference, trust) })),
  );
  const watched = answers.flatMap(({ name, answer }) =>
    answer.kind === "watched" ? [{ name, history: answer.history }] : [],
  );
  const unread = answers.flatMap(({ name, answer }) => unreadOf(name, answer));
  // A tag that is followed has other beginnings in ledgers that began to watch it on other days.
  const contradiction = isFollowed ? undefined : contradictionOf(watched);
  return {
    names: answers.map(({ name }) => name),
    histories: watched.map(({ history }) => history),
    unread: unread.toSorted((one, other) => GRAVITY.indexOf(one.reason) - GRAVITY.indexOf(other.reason)),
    ...(contradiction && { contradiction }),
  };
}

function unreadOf(ledger: string, answer: LedgerAnswer): UnreadLedger[] {
  return answer.kind === "failed" ? [{ ledger, reason: answer.reason, detail: answer.detail }] : [];
}

/** What stands for one tag by each of these ledgers alone, when it is not the same by all of them. */
export function contradictionOf(
  watched: readonly { readonly name: string; readonly history: History }[],
): Contradiction | undefined {
  const ledgers = watched.flatMap(({ name, history }) => {
    const record = standing(history)?.record;
    return record === undefined ? [] : [{ name, digest: record.digest, loggedAt: record.loggedAt }];
  });
  return new Set(ledgers.map(({ digest }) => digest)).size > 1 ? { ledgers } : undefined;
}

/**
 * What was found, with what is to be said of the ledgers. Where no record stands, a ledger that could not be read may have it:
 * then the tag's record is not known, for the gravest reason.
 */
export function withFindings(lookup: Lookup, { unread, contradiction }: LedgersTold): Lookup {
  const [gravest, ...others] = unread;
  const findings = (rest: readonly UnreadLedger[]) => ({
    ...(rest.length > 0 && { unread: rest }),
    ...(contradiction && { contradiction }),
  });
  if (gravest === undefined || lookup.standing !== undefined || lookup.failure !== undefined)
    return { ...lookup, ...findings(unread) };
  const { rejected } = lookup.history;
  const { ledger, reason, detail } = gravest;
  return {
    history: { records: [], rejected, foreign: [] },
    failure: { reason, detail: `the ledger "${ledger}": ${detail}` },
    ...findings(others),
  };
}

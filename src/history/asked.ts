// SPDX-License-Identifier: Apache-2.0
import { lockedRecords } from "../check/brought-records.ts";
import type { CheckContext } from "../check/context.ts";
import { countingOf } from "../check/counting.ts";
import type { Courier } from "../check/courier.ts";
import {
  type Brought,
  broughtBy,
  type ImageCheck,
  isOfThisMachine,
  judgeBrought,
  messageOf,
  NOTHING,
  searchHashes,
} from "../check/lookup.ts";
import { whyUnread } from "../check/verdict.ts";
import { openSigners } from "../check/signers.ts";
import { type Reference, taggedName } from "../image/reference.ts";
import type { Ledger } from "../ledger/answer.ts";
import { LockError } from "../lock/error.ts";
import type { LockFile } from "../lock/file.ts";
import { namedLogs } from "../policy/policy.ts";
import { ruleFor } from "../policy/rule-for.ts";
import { type History, joinHistories, readHistory } from "../record/history.ts";
import type { Trust } from "../record/signer.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";
import type { PlaceSaid } from "./timeline.ts";

/** A lock file that cannot be read. */
export type UnreadLock = Required<Pick<PlaceSaid, "name" | "failure">>;

/** What is asked about a tag, and with what. */
export interface Asking {
  /** With a tag; a digest in it is ignored. */
  readonly reference: Reference;
  readonly context: CheckContext;
  /** The lock file, or why it cannot be read; undefined when there is none. */
  readonly lock: LockFile | UnreadLock | undefined;
  /** Whether logs are searched. */
  readonly asksLogs: boolean;
}

/** What all places said of a tag. */
export interface Asked {
  readonly places: readonly PlaceSaid[];
  /** Whether anybody's records count. */
  readonly isTrusting: boolean;
  /** Whether the policy follows the tag. */
  readonly isFollowed: boolean;
}

/**
 * Asks the lock file, the ledgers and the logs of a policy about a tag. A place that cannot be read is an answer. Throws CheckError
 * for a secret that cannot sign, PolicyError and TrustError.
 */
export async function askPlaces({ reference, context, lock, asksLogs }: Asking): Promise<Asked> {
  const signers = openSigners(context);
  const trust = await signers.known();
  const rule = ruleFor(context.policy, reference);
  const image = { reference, platforms: [], claimed: false };
  const one: ImageCheck = { context, signers, known: new Map(), image, rule };
  const [locked, ledgers] = await Promise.all([
    lock === undefined ? [] : [await askLock(lock, { reference, context, trust })],
    Promise.all((context.ledgers ?? []).map((ledger) => askLedger(ledger, reference, trust))),
  ]);
  const known = [...locked, ...ledgers].flatMap(({ history }) => history ?? []);
  const logs = await Promise.all(
    context.policy.logs.map(async ({ url, api }): Promise<PlaceSaid> => {
      const why = whyNotAsked(one, { api, asksLogs });
      if (why !== undefined) return { kind: "log", name: url, notAsked: why };
      return askLog(url, { one, trust, courier: () => signers.asking(), known: joined(known) });
    }),
  );
  return {
    places: [...locked, ...ledgers, ...logs],
    isTrusting: trust.length > 0,
    isFollowed: rule.action === "follow",
  };
}

function joined(histories: readonly History[]): History | undefined {
  const [first, ...others] = histories;
  return first && others.reduce(joinHistories, first);
}

async function askLock(
  lock: LockFile | UnreadLock,
  { reference, context, trust }: Pick<Asking, "reference" | "context"> & { readonly trust: readonly Trust[] },
): Promise<PlaceSaid> {
  const kind = "lock-file";
  if ("failure" in lock) return { kind, ...lock };
  const { name } = lock;
  try {
    if (trust.length > 0) {
      const history = await lockedRecords(lock, context)(reference, trust);
      return { kind, name, history: history ?? NOTHING.history };
    }
    // Nobody's records count. What is shown of them is proven all the same.
    const lines = lock.tags.get(taggedName(reference)) ?? [];
    const evidence = lines.map(
      ({ bundle, number }) => ({ kind: "bundle", bundle, place: `${name}:${number}` }) as const,
    );
    const trustedRoot = await context.trustedRoot();
    const logs = namedLogs(context.policy);
    return { kind, name, history: readHistory(evidence, { subject: reference, trust, trustedRoot, logs }) };
  } catch (error) {
    if (!(error instanceof LockError)) throw error;
    return { kind, ...unreadLock(name, error) };
  }
}

/** A lock file of this name that has this error. */
export function unreadLock(name: string, { reason, code, message }: LockError): UnreadLock {
  return { name, failure: { reason: reason ?? code, detail: message } };
}

async function askLedger(ledger: Ledger, reference: Reference, trust: readonly Trust[]): Promise<PlaceSaid> {
  const answer = await ledger.read(reference, trust);
  const place = { kind: "ledger", name: ledger.name } as const;
  if (answer.kind === "failed")
    return { ...place, failure: { reason: answer.reason, detail: answer.detail } };
  const { reach } = answer;
  const history = answer.kind === "watched" ? answer.history : NOTHING.history;
  return { ...place, history, ...(reach && { reach }) };
}

function whyNotAsked(
  one: ImageCheck,
  { api, asksLogs }: { readonly api: 1 | 2; readonly asksLogs: boolean },
): string | undefined {
  if (!asksLogs) return "no log was to be asked";
  if (api === 2) return "a log of Rekor v2 has no search: only lock files and ledgers know what is in it";
  if (!isOfThisMachine(one)) return undefined;
  return `the registry "${one.image.reference.registry}" is another one on each machine, so no log's record is about this tag`;
}

/** Searches a log by the tag's names, as builds do. */
async function askLog(
  url: string,
  {
    one,
    trust,
    courier,
    known,
  }: {
    readonly one: ImageCheck;
    readonly trust: readonly Trust[];
    readonly courier: () => Promise<Courier>;
    readonly known: History | undefined;
  },
): Promise<PlaceSaid> {
  const { context, image } = one;
  const { reference } = image;
  const place = { kind: "log", name: url } as const;
  const search = async (root: TrustedRoot): Promise<Brought> => {
    const counting = countingOf(trust, root);
    const what = { log: url, tag: taggedName(reference), ...(counting && { counting }) };
    const asked = await courier();
    return broughtBy(
      await Promise.all(
        searchHashes(reference).map(async (hash) =>
          asked.find({ ...what, hash }, { signal: context.deadline() }),
        ),
      ),
    );
  };
  const root = await context.trustedRoot();
  let brought: Brought;
  try {
    brought = await search(root);
  } catch (error) {
    return { ...place, failure: { reason: "unreachable", detail: messageOf(error) } };
  }
  const { history, lookup } = await judgeBrought(one, { ...brought, known, trust, again: search });
  // Of what the log lists and does not give, nobody knows whether it counts.
  const failure = lookup.failure ?? whyUnread(history);
  return {
    ...place,
    history,
    ...(failure && { failure: { reason: failure.reason, detail: failure.detail } }),
  };
}

// SPDX-License-Identifier: Apache-2.0
import { contradictionOf } from "../check/ledgers.ts";
import { lockContradiction, NOTHING } from "../check/lookup.ts";
import type { LedgerReach } from "../ledger/answer.ts";
import {
  type History,
  joinHistories,
  latest,
  sightingId,
  type Standing,
  standing,
} from "../record/history.ts";
import type { TagRecord } from "../record/record.ts";

/** The kinds of places that know of tags. */
export const PLACE_KINDS = ["lock-file", "ledger", "log"] as const;

/** What one place says of a tag. */
export interface PlaceSaid {
  readonly kind: (typeof PLACE_KINDS)[number];
  /** For people: `tlog.lock`, `ghcr.io/acme/tlog-ledger`, `https://rekor.example.org`. */
  readonly name: string;
  /** What it has of the tag, verified; undefined when that is not known. */
  readonly history?: History;
  /** Why not all of it is known that the place may have. */
  readonly failure?: { readonly reason: string; readonly detail: string };
  /** Why it was not asked. */
  readonly notAsked?: string;
  /** Of a ledger: up to when it leaves out nothing. */
  readonly reach?: LedgerReach;
}

/**
 * What a record is in a tag's history.
 *
 * - `first-seen`: the first sighting, which stands until an approval
 * - `seen-again`: the digest that was seen last
 * - `moved`: another digest than was seen last
 * - `approved`: from here on this digest stands
 * - `approved-in-vain`: it supersedes a digest that does not stand, or its signer may not approve
 * - `not-counted`: a sighting by a signer who may vouch and not record
 */
export const EVENT_KINDS = [
  "first-seen",
  "seen-again",
  "moved",
  "approved",
  "approved-in-vain",
  "not-counted",
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** A record, what it is in the tag's history, and the places that have it, by their indexes. */
export interface TimelineEvent {
  readonly what: EventKind;
  readonly record: TagRecord;
  readonly places: readonly number[];
}

/** All that these places know of a tag. */
export interface Timeline {
  readonly places: readonly PlaceSaid[];
  /** In log order, the earliest first. */
  readonly events: readonly TimelineEvent[];
  readonly standing: Standing | undefined;
  /** The newest sighting by whoever may record: what counts for a tag that is followed. */
  readonly newest: TagRecord | undefined;
  /** What signers who are not trusted saw. */
  readonly foreign: readonly { readonly record: TagRecord; readonly places: readonly number[] }[];
  readonly rejected: History["rejected"];
  /** What places say that cannot both be true, or that somebody withheld, one line each. */
  readonly contradictions: readonly string[];
}

/** How a timeline is made. */
export interface TimelineOptions {
  /** Leaves out what was logged later. */
  readonly until?: Date | undefined;
  /** Whether the policy follows the tag: then ledgers may begin with different images. */
  readonly isFollowed: boolean;
}

/** One timeline out of what all places say of a tag. Pure. */
export function timelineOf(places: readonly PlaceSaid[], { until, isFollowed }: TimelineOptions): Timeline {
  const joined = joinAll(places.flatMap(({ history }) => history ?? []));
  const history = until === undefined ? joined : historyUntil(joined, until);
  const ids = places.map(({ history: said }) => ({
    records: new Set(said?.records.map(sightingId)),
    foreign: new Set(said?.foreign.map(sightingId)),
  }));
  const havers = (record: TagRecord, kind: "records" | "foreign"): number[] => {
    const id = sightingId(record);
    return ids.flatMap((each, index) => (each[kind].has(id) ? index : []));
  };
  const stands = standing(history);
  const kindOf = eventKinds(stands);
  return {
    places,
    events: history.records.map((record) => ({
      what: kindOf(record),
      record,
      places: havers(record, "records"),
    })),
    standing: stands,
    newest: latest(history),
    foreign: history.foreign.map((record) => ({ record, places: havers(record, "foreign") })),
    rejected: history.rejected,
    contradictions: contradictionsAmong(places, isFollowed),
  };
}

/** One history out of these. */
export function joinAll(histories: readonly History[]): History {
  return histories.reduce(joinHistories, NOTHING.history);
}

/** What was in a log by then, as is proven. */
function historyUntil(history: History, until: Date): History {
  const isEarly = ({ loggedAt }: TagRecord) => loggedAt.getTime() <= until.getTime();
  return { ...history, records: history.records.filter(isEarly), foreign: history.foreign.filter(isEarly) };
}

/** Says what each record is, asked in log order. */
function eventKinds(stands: Standing | undefined): (record: TagRecord) => EventKind {
  const stood = stands === undefined ? [] : [...stands.superseded, stands.record];
  let seen: TagRecord | undefined;
  return (record) => {
    const isApproval = record.supersedes !== undefined;
    const counts = latest({ records: [record] }) !== undefined;
    const before = seen;
    if (counts) seen = record;
    if (isApproval) return stood.includes(record) ? "approved" : "approved-in-vain";
    if (stood[0] === record) return "first-seen";
    if (!counts) return "not-counted";
    return before?.digest === record.digest ? "seen-again" : "moved";
  };
}

/** By the rules of builds: ledgers by which different images stand, and a lock file that begins with another image. */
function contradictionsAmong(places: readonly PlaceSaid[], isFollowed: boolean): string[] {
  const of = (kind: PlaceSaid["kind"]) =>
    places.flatMap(({ kind: each, name, history }) =>
      each === kind && history !== undefined ? [{ name, history }] : [],
    );
  const [ledgers, logs, [lock]] = [of("ledger"), of("log"), of("lock-file")];
  const disagreeing = isFollowed ? undefined : contradictionOf(ledgers);
  const all = ledgers.map(({ history }) => history);
  const withLock = (others: readonly History[], place: "ledger" | "log") =>
    lock && lockContradiction(joinAll([lock.history, ...others]), lock.history, place);
  const withheld =
    withLock(all, "ledger") ?? withLock([...all, ...logs.map(({ history }) => history)], "log");
  return [
    ...(disagreeing === undefined
      ? []
      : [
          `the ledgers do not agree: ${disagreeing.ledgers.map(({ name, digest }) => `by "${name}" stands ${digest}`).join(", ")}`,
        ]),
    ...(withheld === undefined ? [] : [withheld]),
  ];
}

/** How asking about a tag ended: 0 when records count, 1 when a place could not be read or contradicts another, 3 when none counts. */
export function statusOf({ places, events, contradictions }: Timeline): 0 | 1 | 3 {
  if (contradictions.length > 0 || places.some(({ failure }) => failure !== undefined)) return 1;
  return events.length === 0 ? 3 : 0;
}

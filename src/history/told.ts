// SPDX-License-Identifier: Apache-2.0
import type { TagRecord } from "../record/record.ts";
import { isoTime } from "../report/phrases.ts";
import { reportRecord } from "../report/report.ts";
import type { Asked } from "./asked.ts";
import type { ToldDiff, ToldHistory, ToldPlace } from "./format.ts";
import { platformChanges, recordOfImage } from "./platforms.ts";
import { joinAll, type PlaceSaid, type Timeline } from "./timeline.ts";

/** A timeline as it is told. `image` is the tag's canonical name. */
export function toldHistory(
  image: string,
  timeline: Timeline,
  { isTrusting, isFollowed, at }: Omit<Asked, "places"> & { readonly at?: Date | undefined },
): ToldHistory {
  const { standing, newest, events, foreign, rejected, contradictions } = timeline;
  const stood = standing === undefined ? [] : [...standing.superseded, standing.record];
  const approvals = stood.filter(isApproval).length;
  return {
    version: 1,
    image,
    ...(at && { at: isoTime(at) }),
    trusting: isTrusting,
    followed: isFollowed,
    ...(standing && {
      stands: {
        why: isApproval(standing.record) ? "approval" : "first-sighting",
        approvals,
        record: reportRecord(standing.record),
      },
    }),
    ...(newest && { newest: reportRecord(newest) }),
    events: events.map(({ what, record, places: havers }) => ({
      what,
      record: reportRecord(record),
      observedAt: isoTime(record.observedAt),
      platforms: new Set(record.platforms.map(({ platform }) => platform)).size,
      places: havers.map(numberOf),
    })),
    foreign: foreign.map(({ record, places: havers }) => ({
      record: reportRecord(record),
      places: havers.map(numberOf),
    })),
    rejected: Object.fromEntries(rejected),
    contradictions: [...contradictions],
    places: timeline.places.map(toldPlace),
  };
}

function isApproval({ supersedes }: TagRecord): boolean {
  return supersedes !== undefined;
}

/** Places are numbered from 1 on. */
function numberOf(index: number): number {
  return index + 1;
}

function toldPlace(place: PlaceSaid): ToldPlace {
  const { kind, name, history, failure, notAsked, reach } = place;
  const records = history?.records.length ?? 0;
  const detail = failure?.detail ?? notAsked;
  const known = records > 0 ? "records" : "nothing";
  return {
    kind,
    name,
    answer: failure !== undefined ? "failed" : notAsked === undefined ? known : "not-asked",
    records,
    ...(failure && { reason: failure.reason }),
    ...(detail !== undefined && { detail }),
    ...guaranteeOf(place),
    ...(reach && {
      completeTo: {
        head: reach.sequence,
        loggedAt: isoTime(reach.loggedAt),
        ...(reach.gap && { gap: { from: reach.gap.from, to: reach.gap.to } }),
      },
    }),
  };
}

/** Whether the place could have left something out, and who could. */
function guaranteeOf({ kind, reach, history }: PlaceSaid): Pick<ToldPlace, "mayLeaveOut" | "guarantee"> {
  if (kind === "lock-file")
    return { mayLeaveOut: true, guarantee: "whoever can edit the file can leave lines out" };
  if (kind === "log")
    return {
      mayLeaveOut: true,
      guarantee: "the log can leave entries out: nothing proves that its search is complete",
    };
  if (reach === undefined || history === undefined)
    return { mayLeaveOut: true, guarantee: "nothing is known of what it has" };
  const { sequence, loggedAt, gap } = reach;
  const upTo = `up to head ${sequence}, ${isoTime(loggedAt)}, nobody but its observer can leave anything out`;
  return gap === undefined
    ? { mayLeaveOut: false, guarantee: upTo }
    : {
        mayLeaveOut: true,
        guarantee: `${upTo}; of sightings ${gap.from} to ${gap.to} it no longer keeps some or all`,
      };
}

/** How two images of a tag differ, by what its records say of them. `image` is the tag's canonical name. */
export function toldDiff(
  image: string,
  said: readonly PlaceSaid[],
  [from, to]: readonly [from: TagRecord["digest"], to: TagRecord["digest"]],
): ToldDiff {
  const history = joinAll(said.flatMap((place) => place.history ?? []));
  const [one, other] = [recordOfImage(history, from), recordOfImage(history, to)];
  const told = (digest: TagRecord["digest"], found: typeof one): ToldDiff["from"] => ({
    digest,
    ...(found && {
      record: reportRecord(found.record),
      trusted: found.isTrusted,
      ...(found.record.mediaType !== undefined && { mediaType: found.record.mediaType }),
    }),
    platforms: found?.record.platforms.length ?? 0,
  });
  const [before, after] = [one?.record.platforms ?? [], other?.record.platforms ?? []];
  return {
    version: 1,
    image,
    from: told(from, one),
    to: told(to, other),
    ...(before.length > 0 &&
      after.length > 0 && {
        platforms: platformChanges(before, after).map((change) => ({
          ...change,
          from: [...change.from],
          to: [...change.to],
        })),
      }),
    places: said.map(toldPlace),
  };
}

/** 0 when it is told what changed, 1 when a place could not be read, 3 when a record is missing or names no platforms. */
export function diffStatus({ platforms, places: asked }: ToldDiff): 0 | 1 | 3 {
  if (asked.some(({ answer }) => answer === "failed")) return 1;
  return platforms === undefined ? 3 : 0;
}

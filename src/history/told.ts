// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { described, flag, text } from "../policy/key.ts";
import type { TagRecord } from "../record/record.ts";
import { isoTime } from "../report/phrases.ts";
import { Digest, list, ReportedRecord, reportRecord, Time } from "../report/report.ts";
import type { Asked } from "./asked.ts";
import { PLATFORM_CHANGES, platformChanges, recordOfImage } from "./platforms.ts";
import { EVENT_KINDS, joinAll, PLACE_KINDS, type PlaceSaid, type Timeline } from "./timeline.ts";

const Count = v.pipe(v.number(), v.integer(), v.minValue(0));

const PLACE_ANSWERS = ["records", "nothing", "failed", "not-asked"] as const;

const ToldPlace = described(
  v.strictObject({
    kind: v.picklist(PLACE_KINDS),
    name: text("The lock file's name, the ledger's repository, or the log's URL"),
    answer: described(
      v.picklist(PLACE_ANSWERS),
      "records: it has some that count; nothing: it was read and has none; failed: not all that it may have is known",
    ),
    records: described(Count, "How many records that count it has, of any time"),
    reason: v.exactOptional(text("Of failed: why, in one word")),
    detail: v.exactOptional(text("Of failed and not-asked: why")),
    mayLeaveOut: flag("Whether the place could have left out a record; a ledger's observer is believed"),
    guarantee: text("What it could have left out, and who"),
    completeTo: v.exactOptional(
      described(
        v.strictObject({
          head: described(v.pipe(v.number(), v.integer(), v.minValue(1)), "The number of the ledger's head"),
          loggedAt: described(Time, "When the head was in its log, as is proven; RFC 3339, UTC"),
          gap: v.exactOptional(
            described(
              v.strictObject({ from: Count, to: Count }),
              "Sightings that the observer no longer keeps, by their numbers",
            ),
          ),
        }),
        "Of a ledger: up to when nobody but its observer can leave anything out",
      ),
    ),
  }),
  "A place that knows of tags",
);

const places = list(v.pipe(v.number(), v.integer(), v.minValue(1)), "The places that have it, from 1 on");

const ToldEvent = described(
  v.strictObject({
    what: described(
      v.picklist(EVENT_KINDS),
      "What the record is in the tag's history; approved-in-vain and not-counted change nothing",
    ),
    record: ReportedRecord,
    observedAt: described(Time, "When the registry was seen to serve it, as the signer says; RFC 3339, UTC"),
    platforms: described(Count, "How many platforms it names; 0 where it names none"),
    places,
  }),
  "One record of the tag",
);

/** What `history --json` and `--call tlog.history,format=json` print, version 1. */
export const HistoryShape = v.pipe(
  v.strictObject({
    version: described(
      v.literal(1),
      "Of this format. Within it, fields are added and none is changed or taken away",
    ),
    image: text("The tag's canonical name"),
    at: v.exactOptional(described(Time, "Of --at: what is told is what was logged by then; RFC 3339, UTC")),
    trusting: flag("Whether the policy or a ledger names anybody whose records count"),
    followed: flag("Whether the policy follows the tag, so that the newest sighting counts"),
    stands: v.exactOptional(
      described(
        v.strictObject({
          why: v.picklist(["first-sighting", "approval"]),
          approvals: described(Count, "How many approvals led to it"),
          record: ReportedRecord,
        }),
        "What stands for the tag",
      ),
    ),
    newest: v.exactOptional(described(ReportedRecord, "The newest sighting that counts")),
    events: list(ToldEvent, "All records that count, in log order, the earliest first"),
    foreign: list(
      v.strictObject({ record: ReportedRecord, places }),
      "What signers who are not trusted saw, the newest first; it decides nothing",
    ),
    rejected: described(v.record(v.string(), Count), "Entries that are no records of the tag, by the reason"),
    contradictions: list(v.string(), "What places say that cannot both be true"),
    places: list(ToldPlace, "The places, in the order of their numbers"),
  }),
  v.title("tlog-dockerfile history"),
);

export type ToldHistory = Readonly<v.InferOutput<typeof HistoryShape>>;
export type ToldPlace = ToldHistory["places"][number];

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

const ToldImage = described(
  v.strictObject({
    digest: Digest,
    record: v.exactOptional(
      described(ReportedRecord, "What says what is in the image; none when no record does"),
    ),
    trusted: v.exactOptional(flag("Whether the record's signer is trusted")),
    mediaType: v.exactOptional(text("Of the image's manifest or index, as the record has it")),
    platforms: described(Count, "How many manifests the record names; 0 where it names none"),
  }),
  "One of the two images",
);

/** What `history diff --json` prints, version 1. */
export const HistoryDiffShape = v.pipe(
  v.strictObject({
    version: described(
      v.literal(1),
      "Of this format. Within it, fields are added and none is changed or taken away",
    ),
    image: text("The tag's canonical name"),
    from: ToldImage,
    to: ToldImage,
    platforms: v.exactOptional(
      list(
        v.strictObject({
          platform: v.string(),
          what: v.picklist(PLATFORM_CHANGES),
          from: list(Digest, "Its manifests in the first image"),
          to: list(Digest, "Its manifests in the second image"),
        }),
        "What became of each platform; not there where one of the records names no platforms",
      ),
    ),
    places: list(ToldPlace, "The places that were asked for records of the two images"),
  }),
  v.title("tlog-dockerfile history diff"),
);

export type ToldDiff = Readonly<v.InferOutput<typeof HistoryDiffShape>>;

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

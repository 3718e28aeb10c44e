// SPDX-License-Identifier: Apache-2.0
// What is printed as JSON. Apart from what makes it, because builds make it and never check it.
import * as v from "valibot";
import { described, flag, text } from "../policy/key.ts";
import { Digest, list, ReportedRecord, Time } from "../report/report.ts";
import { PLATFORM_CHANGES } from "./platforms.ts";
import { EVENT_KINDS, PLACE_KINDS } from "./timeline.ts";

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

// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { excerpt } from "../log/excerpt.ts";
import { described, flag, mapping, number, text } from "../policy/key.ts";

// One event is one JSON object on one line of standard output with `--json`, and the body of one request to the webhook.
// docs/observer-event.schema.json is made from these schemas. Members are added in time, never renamed.

const MAX_COUNT = Number.MAX_SAFE_INTEGER;
/** Part of a reason may be what a server said. */
const MAX_WHY = 1_000;

const TIME = { time: text("when the observer saw it, RFC 3339 in UTC") };
const IMAGE = { ...TIME, image: text("the tag's canonical name: `docker.io/library/alpine:3.16.0`") };
const LOGGED = {
  log: v.optional(text("the log with the sighting; missing when nothing was written, as with `--dry-run`")),
  logIndex: v.optional(number(0, { to: MAX_COUNT, description: "the sighting's index there" })),
};
const NOW = { digest: text("the image that the tag names now") };

function kind<const Name extends string, const T extends v.ObjectEntries>(
  name: Name,
  { entries, description }: { entries: T; description: string },
) {
  return mapping(
    { event: described(v.literal(name, `"${name}"`), "what happened"), ...entries },
    description,
  );
}

const count = (description: string) => number(0, { to: MAX_COUNT, description });

const SUMMARY = {
  tags: count("the tags that were to be watched"),
  unchanged: count("tags that name what they named before"),
  firstSeen: count("tags that were seen for the first time"),
  moved: count("tags that name another image than before"),
  gone: count("tags that are not there any more"),
  returned: count("tags that were gone and are there again"),
  approved: count("approvals that went into the ledger"),
  notAsked: count("tags, or lists of tags, that a registry did not answer for"),
  notRecorded: count("sightings and approvals that could not be signed, logged or put into the ledger"),
  notTags: count("names in lists of tags that cannot be tags, and were dropped"),
  dryRun: v.optional(flag("whether nothing was signed, logged or pushed")),
  milliseconds: count("how long the run took"),
};

const KINDS = [
  kind("first-seen", {
    entries: { ...IMAGE, ...NOW, ...LOGGED },
    description: "a tag was seen for the first time, and its sighting recorded",
  }),
  kind("moved", {
    entries: {
      ...IMAGE,
      from: text("the image that the tag named when it was last seen"),
      to: text("the image that the tag names now"),
      ...LOGGED,
    },
    description: "a tag names another image than before, and the new sighting is recorded",
  }),
  kind("gone", {
    entries: { ...IMAGE, digest: text("the image that the tag named when it was last seen") },
    description: "a tag is not there any more, or nobody may see it any more",
  }),
  kind("returned", {
    entries: { ...IMAGE, ...NOW },
    description: "a tag that was gone is there again; if it names another image, `moved` is told too",
  }),
  kind("approved", {
    entries: {
      ...IMAGE,
      ...NOW,
      supersedes: text("the image whose place it takes"),
      signer: text("who approved it"),
      ...LOGGED,
    },
    description: "an approval went into the ledger",
  }),
  kind("not-asked", {
    entries: {
      ...TIME,
      image: text("the tag's canonical name, or the repository's when its list of tags could not be had"),
      why: text("what the registry answered, or did not"),
    },
    description: "a registry could not be asked",
  }),
  kind("not-recorded", {
    entries: {
      ...TIME,
      image: v.optional(
        text("the tag's canonical name; missing when the reason holds for all that was seen in the run"),
      ),
      digest: v.optional(text("the image that was to be recorded")),
      why: text("what could not be done"),
    },
    description: "a sighting could not be signed, logged, or put into the ledger",
  }),
  kind("summary", { entries: { ...TIME, ...SUMMARY }, description: "the end of a run" }),
] as const;

/** The schema of events. */
export const EVENT_SCHEMA = v.union([...KINDS], "an event");

/** Something that a run saw or could not do. Times are RFC 3339 in UTC. */
export type ObserverEvent = Readonly<v.InferOutput<typeof EVENT_SCHEMA>>;

/** What a run did, in numbers. */
export type RunSummary = Omit<Extract<ObserverEvent, { readonly event: "summary" }>, "event" | "time">;

const EVENT_NAMES = KINDS.map(({ entries }) => entries.event.literal);

/** The event as one line of JSON, without LF. */
export function eventJson(event: ObserverEvent): string {
  return JSON.stringify(event);
}

/** The event as one line for people, without LF. */
export function eventText(event: ObserverEvent): string {
  return `${event.time} ${NAMES_WIDE[event.event]} ${said(event)}`;
}

/** Names of one width, so that what follows stands in a column. */
const NAMES_WIDE = Object.fromEntries(
  EVENT_NAMES.map((name) => [name, name.padEnd(Math.max(...EVENT_NAMES.map(({ length }) => length)))]),
) as Record<ObserverEvent["event"], string>;

function said(event: ObserverEvent): string {
  switch (event.event) {
    case "first-seen":
      return `${event.image} ${event.digest}${logged(event)}`;
    case "moved":
      return `${event.image} from ${event.from} to ${event.to}${logged(event)}`;
    case "gone":
      return `${event.image}, which named ${event.digest}`;
    case "returned":
      return `${event.image} ${event.digest}`;
    case "approved":
      return `${event.image} ${event.digest} instead of ${event.supersedes}, by ${event.signer}${logged(event)}`;
    case "not-asked":
      return `${event.image}: ${excerpt(event.why, MAX_WHY)}`;
    case "not-recorded":
      return `${[event.image, event.digest].filter((part) => part !== undefined).join(" ") || "nothing of this run"}: ${excerpt(event.why, MAX_WHY)}`;
    case "summary":
      return summaryText(event);
  }
}

function logged({
  log,
  logIndex: index,
}: {
  readonly log?: string | undefined;
  readonly logIndex?: number | undefined;
}) {
  if (log === undefined) return "";
  return index === undefined ? ` (${log})` : ` (${log}, index ${index})`;
}

const COUNTED = {
  unchanged: "unchanged",
  firstSeen: "first seen",
  moved: "moved",
  gone: "gone",
  returned: "returned",
  approved: "approved",
  notAsked: "not asked",
  notRecorded: "not recorded",
} as const satisfies { readonly [Name in keyof RunSummary]?: string };

function summaryText(summary: RunSummary): string {
  const names = Object.keys(COUNTED) as (keyof typeof COUNTED)[];
  const parts = names.flatMap((name) =>
    name === "unchanged" || summary[name] > 0 ? `${summary[name]} ${COUNTED[name]}` : [],
  );
  const dropped = summary.notTags > 0 ? `; ${summary.notTags} listed names are no tags` : "";
  const dry = summary.dryRun !== true ? "" : "; a dry run, nothing was signed, logged or pushed";
  return `${counted(summary.tags, "tag")} in ${(summary.milliseconds / 1_000).toFixed(1)} s: ${parts.join(", ")}${dropped}${dry}`;
}

function counted(many: number, noun: string): string {
  return `${many} ${noun}${many === 1 ? "" : "s"}`;
}

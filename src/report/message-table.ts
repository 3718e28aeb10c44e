// SPDX-License-Identifier: Apache-2.0
import { formatReference } from "../image/reference.ts";
import { day, evidence, evidenceLines, isoTime } from "./evidence.ts";
import type { MessageName } from "./message-name.ts";
import { type About, BY_DIGEST, digestOf, nameOf, type Row } from "./message-row.ts";
import { ageLine, minAgeLine, ruleLine, unseenLine } from "./rule-lines.ts";
import { UNKNOWN_MESSAGES, type UnknownMessageName } from "./unknown-messages.ts";
import { approve, keepRecorded, takeByDigest } from "./ways-out.ts";

/** Which kind of verdict each message is about. */
export interface MessageKinds extends Readonly<Record<UnknownMessageName, "unknown">> {
  TagUnchanged: "unchanged";
  SamePlatforms: "unchanged";
  Superseded: "unchanged";
  FirstSeen: "first-seen";
  TagApproved: "approved";
  TagFollowed: "moved";
  TagPinned: "pinned";
  PinnedImageGone: "moved";
  TagMoved: "moved";
  MovedWarned: "moved";
  TooNew: "too-new";
  UnrecordedNoSigner: "unrecorded";
  UnrecordedByPolicy: "unrecorded";
  UnrecordedNotPublic: "unrecorded";
  UnrecordedRegistryDiffers: "unrecorded";
  Unpinned: "unpinned";
  ByDigest: "by-digest";
  Exempt: "exempt";
}

/** A tag that moved although the policy does not let it. */
const MOVED: Row<"moved"> = {
  line: ({ reference, verdict: { record } }) =>
    `${nameOf(reference)} MOVED: got ${digestOf(reference)}, want ${record.digest} (${evidence(record)})`,
  trouble: {
    short: ({ reference, verdict: { record } }) => `tag "${nameOf(reference)}" moved since ${day(record)}`,
    headline: mismatch,
    details: ({ reference, verdict: { record }, rule, outcome }) => [
      ...evidenceLines(record),
      outcome === "refuse"
        ? "the tag has moved since; nothing of the new image was run"
        : "the tag has moved since; this build uses the new image",
      ...ruleLine(rule),
      ...(rule.action === "warn" ? ageLine(rule) : []),
      ...keepRecorded(reference, record),
      ...approve(reference, record),
      ...takeByDigest(reference, { digest: reference.digest, saying: "accept it in this Dockerfile alone" }),
    ],
  },
};

/** A tag that nobody recorded, and that is not recorded now: for this reason, with these ways out. */
function unrecorded(
  why: (about: About<"unrecorded">) => string,
  details: (about: About<"unrecorded">) => readonly string[],
): Row<"unrecorded"> {
  return {
    line: (about) => `${nameOf(about.reference)} NOT RECORDED: ${digestOf(about.reference)} (${why(about)})`,
    trouble: {
      short: ({ reference, outcome }) =>
        `tag "${nameOf(reference)}" has no record in the log${outcome === "refuse" ? ", and the policy refuses such tags" : ""}`,
      details: (about) => [...details(about), ...unseenLine(about.rule)],
    },
  };
}

/** Every text that says a verdict to a person. */
export const MESSAGES: { readonly [Name in MessageName]: Row<MessageKinds[Name]> } = {
  TagUnchanged: {
    line: ({ reference, verdict: { record } }) =>
      `${nameOf(reference)} unchanged since ${day(record)}: ${digestOf(reference)} (${evidence(record)})`,
  },
  SamePlatforms: {
    line: ({ reference, verdict: { record } }) =>
      `${nameOf(reference)} unchanged since ${day(record)} for the platforms built: ${digestOf(reference)} (a new index of the recorded manifests; ${evidence(record)})`,
  },
  Superseded: {
    line: ({ reference, verdict: { record } }) =>
      `${nameOf(reference)} named by a digest that was superseded later: ${digestOf(reference)} (${evidence(record)})`,
  },
  FirstSeen: {
    line: ({ reference, verdict: { record } }) =>
      `${nameOf(reference)} first seen, recorded: ${digestOf(reference)} (${evidence(record)})`,
  },
  TagApproved: {
    line: ({ reference, verdict: { record, superseded } }) =>
      `${nameOf(reference)} approved: ${digestOf(reference)} instead of ${superseded.digest} (${evidence(record)})`,
  },
  TagFollowed: {
    line: ({ reference, verdict: { record, newer } }) =>
      `${nameOf(reference)} followed: ${digestOf(reference)}, on ${day(record)} it was ${record.digest} (${newer ? evidence(newer) : "the new image is not recorded"})`,
  },
  TagPinned: {
    line: ({ reference, verdict: { record, served } }) =>
      `${nameOf(reference)} PINNED as recorded on ${day(record)}: ${record.digest}; the tag names ${served} now (${evidence(record)})`,
    trouble: {
      short: ({ reference, verdict: { record } }) =>
        `tag "${nameOf(reference)}" is built as recorded on ${day(record)}, and has moved since`,
      details: ({ reference, verdict: { record, served }, rule }) => [
        ...evidenceLines(record),
        `built: ${record.digest}`,
        `named: ${served}`,
        ...ruleLine(rule),
        ...approve(reference, record),
      ],
    },
  },
  PinnedImageGone: {
    line: MOVED.line,
    trouble: {
      short: ({ reference, verdict: { record } }) =>
        `tag "${nameOf(reference)}" moved since ${day(record)}, and the recorded image cannot be used`,
      headline: mismatch,
      details: ({ reference, verdict: { record, gone = "" }, rule }) => [
        ...evidenceLines(record),
        "the policy builds this tag as recorded, and the recorded image cannot be used:",
        `  ${gone}`,
        ...ruleLine(rule),
        "bring the recorded image back into its registry, under any tag; or",
        ...approve(reference, record),
        ...takeByDigest(reference, {
          digest: reference.digest,
          saying: "accept it in this Dockerfile alone",
        }),
      ],
    },
  },
  TagMoved: MOVED,
  MovedWarned: MOVED,
  TooNew: {
    line: ({ reference, verdict: { record, until } }) =>
      `${nameOf(reference)} TOO NEW until ${isoTime(until)}: ${digestOf(reference)} (${evidence(record)})`,
    trouble: {
      short: ({ reference, verdict: { until } }) =>
        `tag "${nameOf(reference)}" is too new until ${isoTime(until)}`,
      details: ({ reference, verdict: { record }, rule }) => [
        ...evidenceLines(record),
        ...minAgeLine(rule),
        ...takeByDigest(reference, {
          digest: reference.digest,
          saying: `build again after that time, ${BY_DIGEST}`,
        }),
      ],
    },
  },
  UnrecordedNoSigner: unrecorded(
    () =>
      "nothing to sign with: give a P-256 key with --secret id=tlog-signing-key,src=FILE, or an identity token with --secret id=tlog-identity-token,src=FILE",
    () => [
      "this build had nothing to sign a record with; give it one of these:",
      "  --secret id=tlog-signing-key,src=key.pem    (a P-256 key)",
      "  --secret id=tlog-identity-token,src=token   (an OpenID Connect token)",
    ],
  ),
  UnrecordedByPolicy: unrecorded(
    ({ rule }) =>
      rule?.unseen === "block"
        ? "the policy does not have new tags recorded by this build"
        : "the policy lets new tags through without a record",
    ({ reference }) =>
      takeByDigest(reference, {
        digest: reference.digest,
        saying: `record it first in a build that records new tags, ${BY_DIGEST}`,
      }),
  ),
  UnrecordedNotPublic: unrecorded(
    ({ verdict: { detail } }) => `only what a registry shows to everybody is recorded: ${detail}`,
    ({ verdict: { detail } }) => [
      "only what a registry shows to everybody is recorded:",
      `  ${detail}`,
      'a rule with "private: true" lets its images be named to the log all the same',
    ],
  ),
  UnrecordedRegistryDiffers: unrecorded(
    ({ verdict: { detail } }) =>
      `the registry serves ${detail} for this tag: a local image, or a mirror that differs`,
    ({ reference, verdict: { detail } }) => [
      "it is a local image, or one of a mirror that differs from the registry:",
      `  the build has        ${digestOf(reference)}`,
      `  the registry serves  ${detail}`,
      "build with --pull to have the registry's image instead of a local one",
    ],
  ),
  ...UNKNOWN_MESSAGES,
  Unpinned: {
    line: ({ reference }) => `${formatReference(reference)} UNPINNED: BuildKit gives no digest for it`,
    trouble: {
      short: ({ reference }) =>
        `image "${formatReference(reference)}" cannot be judged: BuildKit gives no digest for it`,
      details: ({ verdict: { detail } }) => [
        "it would resolve the tag again when the build runs",
        detail || "it seems to be in the local image store only, which knows no digest of it",
        "push it to a registry and name it there; Docker's containerd image store keeps",
        "digests of local images too",
      ],
    },
  },
  ByDigest: {
    line: ({ reference }) =>
      `${formatReference(reference)} is named by digest: there is no tag that could move`,
  },
  Exempt: {
    line: ({ reference, rule }) =>
      `${formatReference(reference)} is not checked${rule ? ` (${rule.source}: ${rule.why})` : ""}`,
  },
};

/** Tests and people know a moved tag by these words. */
function mismatch({ reference, verdict: { record } }: About<"moved">): string {
  return `tag "${nameOf(reference)}" mismatch; got "${digestOf(reference)}", want "${record.digest}"`;
}

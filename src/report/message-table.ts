// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import type { Verdict } from "../check/verdict.ts";
import type { Digest } from "../image/digest.ts";
import { familiarName, formatReference } from "../image/reference.ts";
import type { TagRecord } from "../record/record.ts";
import type { MessageName } from "./message-names.ts";
import {
  ageLine,
  day,
  digestOf,
  evidence,
  evidenceLines,
  folded,
  isoTime,
  minAgeLine,
  nameOf,
  ruleLine,
  unseenLine,
} from "./phrases.ts";
import { UNKNOWN, UNRECORDED } from "./reason-texts.ts";
import { orByDigest, type WayOut } from "./ways-out.ts";

/** Every text about one image. */
export interface Texts {
  readonly name: MessageName;
  /** One line for the build's progress. */
  readonly line: string;
  /** For verdicts that can warn or stop a build. */
  readonly trouble?: {
    /** The one line of a warning that most people see. */
    readonly short: string;
    /** The first line of an error, where it is not `short`: complete in itself. */
    readonly headline?: string;
    /** Since when, by whom, by which rule: a line each. */
    readonly details: readonly string[];
    /** What to do, behind the details. */
    readonly ways?: readonly WayOut[];
  };
}

type VerdictOf<Kind extends Verdict["kind"]> = Extract<Verdict, { readonly kind: Kind }>;
type Moved = VerdictOf<"moved">;

/** The texts about the image of a judgement. The outcome, and not the name, says whether it stops the build. */
export function textsOf(judgement: Judgement): Texts {
  // Each kind has the row of its own verdict, which TypeScript cannot see in a union.
  const row = TEXTS[judgement.verdict.kind] as (judgement: Judgement, verdict: Verdict) => Texts;
  return row(judgement, judgement.verdict);
}

/** Each verdict with everything that a person may read about it. */
const TEXTS: {
  readonly [Kind in Verdict["kind"]]: (judgement: Judgement, verdict: VerdictOf<Kind>) => Texts;
} = {
  unchanged: ({ reference }, { record, note }) => {
    const { name, line } = UNCHANGED[note ?? "as-recorded"];
    return { name, line: `${nameOf(reference)} ${line(digestOf(reference), record)}` };
  },
  "first-seen": ({ reference }, { record }) => ({
    name: "FirstSeen",
    line: `${nameOf(reference)} first seen, recorded: ${digestOf(reference)} (${evidence(record)})`,
  }),
  approved: ({ reference }, { record, superseded }) => ({
    name: "TagApproved",
    line: `${nameOf(reference)} approved: ${digestOf(reference)} instead of ${superseded.digest} (${evidence(record)})`,
  }),
  moved: (judgement, verdict) =>
    judgement.rule.action === "follow" && verdict.gone === undefined
      ? followed(judgement, verdict)
      : moved(judgement, verdict),
  pinned: ({ reference, rule }, { record, served }) => ({
    name: "TagPinned",
    line: `${nameOf(reference)} PINNED as recorded on ${day(record)}: ${record.digest}; the tag names ${served} now (${evidence(record)})`,
    trouble: {
      short: `tag "${nameOf(reference)}" is built as recorded on ${day(record)}, and has moved since`,
      details: [...evidenceLines(record), `built: ${record.digest}`, `named: ${served}`, ...ruleLine(rule)],
      ways: [approve(record, served)],
    },
  }),
  "too-new": ({ reference, rule }, { record, until }) => ({
    name: "TooNew",
    line: `${nameOf(reference)} TOO NEW until ${isoTime(until)}: ${digestOf(reference)} (${evidence(record)})`,
    trouble: {
      short: `tag "${nameOf(reference)}" is too new until ${isoTime(until)}`,
      details: [...evidenceLines(record), ...minAgeLine(rule)],
      ways: [orByDigest("build again after that time")],
    },
  }),
  unrecorded: (judgement, verdict) => {
    const { reference, rule, outcome } = judgement;
    const { name, why, details, ways = [] } = UNRECORDED[verdict.reason](judgement, verdict.detail);
    const refused = outcome === "refuse" ? ", and the policy refuses such tags" : "";
    // Of a tag that is followed there may be records of other images.
    const what = rule.action === "follow" ? "names an image without a record" : "has no record";
    const place = verdict.reason === "not-watched" ? "any ledger" : "the log";
    return {
      name,
      line: `${nameOf(reference)} NOT RECORDED: ${digestOf(reference)} (${why})`,
      trouble: {
        short: `tag "${nameOf(reference)}" ${what} in ${place}${refused}`,
        details: [...details, ...unseenLine(rule)],
        ways,
      },
    };
  },
  unknown: ({ reference, rule, outcome }, { reason, detail }) => {
    const { name, matter, isOurs, steps = [], lock, remedy } = UNKNOWN[reason];
    // An image that is verified is built already.
    const stops = outcome === "refuse" && reason !== "no-evidence";
    return {
      name,
      line: `${nameOf(reference)} UNKNOWN: ${digestOf(reference)} could not be checked: ${detail}`,
      trouble: {
        short: `tag "${nameOf(reference)}" ${matter}${stops ? ", so the build stops before it is used" : ""}`,
        details: [
          // What a server said stays on one line, so that people can search for it.
          ...(isOurs ? folded(detail) : [detail]),
          ...ruleLine(rule, "unknown"),
          ...steps,
        ],
        ways: [
          ...(lock === undefined
            ? []
            : [{ kind: "lock", saying: lock, isSigned: reason === "unsearchable" } as const]),
          ...(reason === "no-evidence" ? [] : [orByDigest(remedy)]),
        ],
      },
    };
  },
  unpinned: ({ reference }, { detail }) => ({
    name: "Unpinned",
    line: `${formatReference(reference)} UNPINNED: BuildKit gives no digest for it`,
    trouble: {
      short: `image "${formatReference(reference)}" cannot be judged: BuildKit gives no digest for it`,
      details: [
        "it would resolve the tag again when the build runs",
        detail || "it seems to be in the local image store only, which knows no digest of it",
        "push it to a registry and name it there; Docker's containerd image store keeps",
        "digests of local images too",
      ],
    },
  }),
  "by-digest": ({ reference, rule }) =>
    rule.byDigest === "block"
      ? {
          name: "ByDigestBlocked",
          line: `${formatReference(reference)} NAMED BY DIGEST ALONE: no record of a tag speaks of it`,
          trouble: {
            short: `image "${formatReference(reference)}" is named by digest alone, and no record of a tag speaks of it`,
            details: [
              ...ruleLine(rule, "by-digest"),
              "name it with its tag, whose record is then checked:",
              `  ${familiarName({ ...reference, tag: "TAG" })}`,
            ],
          },
        }
      : {
          name: "ByDigest",
          line: `${formatReference(reference)} is named by digest: there is no tag that could move`,
        },
  exempt: ({ reference, rule }) => ({
    name: "Exempt",
    line: `${formatReference(reference)} is not checked (${rule.source}: ${rule.why})`,
  }),
};

/** What follows the name of an image that is as recorded, by the verdict's note. */
const UNCHANGED: Readonly<
  Record<
    NonNullable<VerdictOf<"unchanged">["note"]> | "as-recorded",
    { readonly name: MessageName; readonly line: (digest: string, record: TagRecord) => string }
  >
> = {
  "as-recorded": {
    name: "TagUnchanged",
    line: (digest, record) => `unchanged since ${day(record)}: ${digest} (${evidence(record)})`,
  },
  "same-platforms": {
    name: "SamePlatforms",
    line: (digest, record) =>
      `unchanged since ${day(record)} for the platforms built: ${digest} (a new index of the recorded manifests; ${evidence(record)})`,
  },
  superseded: {
    name: "Superseded",
    line: (digest, record) => `named by a digest that was superseded later: ${digest} (${evidence(record)})`,
  },
};

function followed({ reference }: Judgement, { record, newer }: Moved): Texts {
  const now = newer ? evidence(newer) : "the new image is not recorded";
  return {
    name: "TagFollowed",
    line: `${nameOf(reference)} followed: ${digestOf(reference)}, on ${day(record)} it was ${record.digest} (${now})`,
  };
}

/** A tag that moved although the policy does not let it. */
function moved({ reference, rule, outcome }: Judgement, { record, gone }: Moved): Texts {
  const since = `tag "${nameOf(reference)}" moved since ${day(record)}`;
  const middle =
    gone === undefined
      ? [
          outcome === "refuse"
            ? "the tag has moved since; nothing of the new image was run"
            : "the tag has moved since; this build uses the new image",
          ...ruleLine(rule),
          ...(rule.action === "warn" ? ageLine(rule) : []),
        ]
      : [
          "the policy builds this tag as recorded, and the recorded image cannot be used:",
          `  ${gone}`,
          ...ruleLine(rule),
          "push the recorded image to its registry again, under any tag; or",
        ];
  const name = rule.action === "warn" ? "MovedWarned" : "TagMoved";
  return {
    name: gone === undefined ? name : "PinnedImageGone",
    line: `${nameOf(reference)} MOVED: got ${digestOf(reference)}, want ${record.digest} (${evidence(record)})`,
    trouble: {
      short: gone === undefined ? since : `${since}, and the recorded image cannot be used`,
      // Tests and people know a moved tag by these words.
      headline: `tag "${nameOf(reference)}" mismatch; got "${digestOf(reference)}", want "${record.digest}"`,
      details: [...evidenceLines(record), ...middle],
      ways: [
        ...(gone === undefined ? [{ kind: "keep", digest: record.digest } as const] : []),
        ...(reference.digest === undefined ? [] : [approve(record, reference.digest)]),
        { kind: "by-digest", saying: "accept it in this Dockerfile alone" },
      ],
    },
  };
}

function approve({ signer }: TagRecord, digest: Digest): WayOut {
  return { kind: "approve", digest, signer: signer.kind };
}

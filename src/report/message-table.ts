// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import type { UnknownReason, UnrecordedReason, Verdict } from "../check/verdict.ts";
import type { Digest } from "../image/digest.ts";
import { formatReference } from "../image/reference.ts";
import type { TagRecord } from "../record/record.ts";
import {
  ageLine,
  BY_DIGEST,
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
import type { WayOut } from "./ways-out.ts";

/** The names of all messages. People search for them and tools compare them: a name never changes; docs/messages.md has a section for each, in this order. */
export const MESSAGE_NAMES = [
  "TagUnchanged",
  "SamePlatforms",
  "Superseded",
  "FirstSeen",
  "TagApproved",
  "TagFollowed",
  "TagPinned",
  "PinnedImageGone",
  "TagMoved",
  "MovedWarned",
  "TooNew",
  "UnrecordedNoSigner",
  "UnrecordedByPolicy",
  "UnrecordedNotPublic",
  "UnrecordedRegistryDiffers",
  "LogUnreachable",
  "LogUnproven",
  "NotInLockFile",
  "LockContradicted",
  "RecordingFailed",
  "Unpinned",
  "ByDigest",
  "Exempt",
] as const;

export type MessageName = (typeof MESSAGE_NAMES)[number];

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
      ways: [byDigest(`build again after that time, ${BY_DIGEST}`)],
    },
  }),
  unrecorded: (judgement, verdict) => {
    const { reference, rule, outcome } = judgement;
    const { name, why, details, ways = [] } = UNRECORDED[verdict.reason](judgement, verdict.detail);
    const refused = outcome === "refuse" ? ", and the policy refuses such tags" : "";
    return {
      name,
      line: `${nameOf(reference)} NOT RECORDED: ${digestOf(reference)} (${why})`,
      trouble: {
        short: `tag "${nameOf(reference)}" has no record in the log${refused}`,
        details: [...details, ...unseenLine(rule)],
        ways,
      },
    };
  },
  unknown: ({ reference, rule, outcome }, { reason, detail }) => {
    const { name, matter, isOurs, steps = [], lock, remedy } = UNKNOWN[reason];
    return {
      name,
      line: `${nameOf(reference)} UNKNOWN: ${digestOf(reference)} could not be checked: ${detail}`,
      trouble: {
        short: `tag "${nameOf(reference)}" ${matter}${outcome === "refuse" ? ", so the build stops before it is used" : ""}`,
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
          byDigest(remedy),
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
  "by-digest": ({ reference }) => ({
    name: "ByDigest",
    line: `${formatReference(reference)} is named by digest: there is no tag that could move`,
  }),
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
        byDigest("accept it in this Dockerfile alone"),
      ],
    },
  };
}

function approve({ signer }: TagRecord, digest: Digest): WayOut {
  return { kind: "approve", digest, signer: signer.kind };
}

function byDigest(saying: string): WayOut {
  return { kind: "by-digest", saying };
}

/** Why a new tag is not recorded: in brackets behind its digest, and with what to do. */
const UNRECORDED: Readonly<
  Record<
    UnrecordedReason,
    (
      judgement: Judgement,
      detail: string,
    ) => Pick<NonNullable<Texts["trouble"]>, "details" | "ways"> & {
      readonly name: MessageName;
      readonly why: string;
    }
  >
> = {
  "no-signer": () => ({
    name: "UnrecordedNoSigner",
    why: "nothing to sign with: give a P-256 key with --secret id=tlog-signing-key,src=FILE, or an identity token with --secret id=tlog-identity-token,src=FILE",
    details: [
      "this build had nothing to sign a record with; give it one of these:",
      "  --secret id=tlog-signing-key,src=key.pem    (a P-256 key)",
      "  --secret id=tlog-identity-token,src=token   (an OpenID Connect token)",
    ],
  }),
  policy: ({ rule }) => ({
    name: "UnrecordedByPolicy",
    why:
      rule.unseen === "block"
        ? "the policy does not let this build record new tags"
        : "the policy allows new tags without recording them",
    details: [],
    ways: [byDigest(`record it first in a build that records new tags, ${BY_DIGEST}`)],
  }),
  "not-public": (_, detail) => ({
    name: "UnrecordedNotPublic",
    why: `only images that anyone can pull are recorded: ${detail}`,
    details: [
      "only images that anyone can pull are recorded:",
      `  ${detail}`,
      'to record it all the same, give it a rule with "private: true"',
    ],
  }),
  "registry-differs": ({ reference }, detail) => ({
    name: "UnrecordedRegistryDiffers",
    why: `the registry serves ${detail} for this tag: a local image, or a mirror that differs`,
    details: [
      "it is a local image, or one of a mirror that differs from the registry:",
      `  the build has        ${digestOf(reference)}`,
      `  the registry serves  ${detail}`,
      "build with --pull to use the registry's image instead of a local one",
    ],
  }),
};

/** What is wrong with a tag whose verdict is `unknown`, and what to do. */
const UNKNOWN: Readonly<
  Record<
    UnknownReason,
    {
      readonly name: MessageName;
      readonly matter: string;
      /** Whether all words of the detail are ours, and may be broken into lines. */
      readonly isOurs?: true;
      readonly steps?: readonly string[];
      /** What an update of the lock file does about it. */
      readonly lock?: string;
      readonly remedy: string;
    }
  >
> = {
  unreachable: {
    name: "LogUnreachable",
    matter: "could not be checked",
    remedy: `build again when it answers, ${BY_DIGEST}`,
  },
  unproven: {
    name: "LogUnproven",
    matter: "has a record that is not proven",
    isOurs: true,
    remedy: `build again when that is fixed, ${BY_DIGEST}`,
  },
  unsearchable: {
    name: "NotInLockFile",
    matter: "has no record in a lock file",
    isOurs: true,
    lock: "add it, in a build that can sign",
    remedy: BY_DIGEST,
  },
  contradicted: {
    name: "LockContradicted",
    matter: "has an earlier record in the log than in the lock file",
    isOurs: true,
    steps: ["find out who left it out; to have it back, delete the tag's lines there"],
    lock: "and then update the file",
    remedy: BY_DIGEST,
  },
  unwritten: {
    name: "RecordingFailed",
    matter: "could not be recorded",
    remedy: `build again when that is fixed, ${BY_DIGEST}`,
  },
};

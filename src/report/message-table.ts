// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import type { Verdict } from "../check/verdict.ts";
import { formatReference } from "../image/reference.ts";
import type { Record as LogRecord } from "../record/verification.ts";
import {
  ageLine,
  approve,
  BY_DIGEST,
  day,
  digestOf,
  evidence,
  evidenceLines,
  folded,
  isoTime,
  keepRecorded,
  minAgeLine,
  nameOf,
  ruleLine,
  takeByDigest,
  unseenLine,
} from "./phrases.ts";
import { UNKNOWN, UNRECORDED } from "./reasons.ts";

/** Every text about one image. */
export interface Texts {
  /** One line for the build's progress. */
  readonly line: string;
  /** For verdicts that can warn or stop a build. */
  readonly trouble?: {
    /** The one line of a warning that most people see. */
    readonly short: string;
    /** The first line of an error, where it is not `short`: complete in itself. */
    readonly headline?: string;
    /** Since when, by whom, by which rule, and what to do: a line each. */
    readonly details: readonly string[];
  };
}

type Verdicts = { readonly [Kind in Verdict["kind"]]: Extract<Verdict, { readonly kind: Kind }> };
type VerdictOf<Kind extends keyof Verdicts> = {
  [K in Kind]: { readonly kind: K } & Verdicts[K];
}[Kind];
/** The texts of one kind of verdict. */
type Row<Kind extends keyof Verdicts> = (judgement: Judgement, verdict: Verdicts[Kind]) => Texts;

/** The texts about the image of a judgement. */
export function textsOf(judgement: Judgement): Texts {
  return textsOfVerdict(judgement, judgement.verdict);
}

function textsOfVerdict<Kind extends keyof Verdicts>(judgement: Judgement, verdict: VerdictOf<Kind>): Texts {
  return TEXTS[verdict.kind](judgement, verdict);
}

/** Each verdict with everything that a person may read about it. */
const TEXTS: { readonly [Kind in keyof Verdicts]: Row<Kind> } = {
  unchanged: ({ reference }, { record, note }) => ({
    line: `${nameOf(reference)} ${UNCHANGED[note ?? "as-recorded"](digestOf(reference), record)}`,
  }),
  "first-seen": ({ reference }, { record }) => ({
    line: `${nameOf(reference)} first seen, recorded: ${digestOf(reference)} (${evidence(record)})`,
  }),
  approved: ({ reference }, { record, superseded }) => ({
    line: `${nameOf(reference)} approved: ${digestOf(reference)} instead of ${superseded.digest} (${evidence(record)})`,
  }),
  moved: (judgement, verdict) =>
    judgement.rule.action === "follow" && verdict.gone === undefined
      ? followed(judgement, verdict)
      : moved(judgement, verdict),
  pinned: ({ reference, rule }, { record, served }) => ({
    line: `${nameOf(reference)} PINNED as recorded on ${day(record)}: ${record.digest}; the tag names ${served} now (${evidence(record)})`,
    trouble: {
      short: `tag "${nameOf(reference)}" is built as recorded on ${day(record)}, and has moved since`,
      details: [
        ...evidenceLines(record),
        `built: ${record.digest}`,
        `named: ${served}`,
        ...ruleLine(rule),
        ...approve(reference, record),
      ],
    },
  }),
  "too-new": ({ reference, rule }, { record, until }) => ({
    line: `${nameOf(reference)} TOO NEW until ${isoTime(until)}: ${digestOf(reference)} (${evidence(record)})`,
    trouble: {
      short: `tag "${nameOf(reference)}" is too new until ${isoTime(until)}`,
      details: [
        ...evidenceLines(record),
        ...minAgeLine(rule),
        ...takeByDigest(reference, `build again after that time, ${BY_DIGEST}`),
      ],
    },
  }),
  unrecorded: (judgement, verdict) => {
    const { reference, rule, outcome } = judgement;
    const { why, details } = UNRECORDED[verdict.reason](judgement, verdict.detail);
    const refused = outcome === "refuse" ? ", and the policy refuses such tags" : "";
    return {
      line: `${nameOf(reference)} NOT RECORDED: ${digestOf(reference)} (${why})`,
      trouble: {
        short: `tag "${nameOf(reference)}" has no record in the log${refused}`,
        details: [...details, ...unseenLine(rule)],
      },
    };
  },
  unknown: ({ reference, rule, outcome }, { reason, detail }) => {
    const { matter, isOurs, steps = [], remedy } = UNKNOWN[reason];
    return {
      line: `${nameOf(reference)} UNKNOWN: ${digestOf(reference)} could not be checked: ${detail}`,
      trouble: {
        short: `tag "${nameOf(reference)}" ${matter}${outcome === "refuse" ? ", so the build stops before it is used" : ""}`,
        details: [
          // What a server said stays on one line, so that people can search for it.
          ...(isOurs ? folded(detail) : [detail]),
          ...ruleLine(rule, "unknown"),
          ...steps,
          ...takeByDigest(reference, remedy),
        ],
      },
    };
  },
  unpinned: ({ reference }, { detail }) => ({
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
    line: `${formatReference(reference)} is named by digest: there is no tag that could move`,
  }),
  exempt: ({ reference, rule }) => ({
    line: `${formatReference(reference)} is not checked (${rule.source}: ${rule.why})`,
  }),
};

/** What follows the name of an image that is as recorded, by the verdict's note. */
const UNCHANGED: Readonly<
  Record<"as-recorded" | "same-platforms" | "superseded", (digest: string, record: LogRecord) => string>
> = {
  "as-recorded": (digest, record) => `unchanged since ${day(record)}: ${digest} (${evidence(record)})`,
  "same-platforms": (digest, record) =>
    `unchanged since ${day(record)} for the platforms built: ${digest} (a new index of the recorded manifests; ${evidence(record)})`,
  superseded: (digest, record) =>
    `named by a digest that was superseded later: ${digest} (${evidence(record)})`,
};

function followed({ reference }: Judgement, { record, newer }: Verdicts["moved"]): Texts {
  const now = newer ? evidence(newer) : "the new image is not recorded";
  return {
    line: `${nameOf(reference)} followed: ${digestOf(reference)}, on ${day(record)} it was ${record.digest} (${now})`,
  };
}

/** A tag that moved although the policy does not let it. */
function moved({ reference, rule, outcome }: Judgement, { record, gone }: Verdicts["moved"]): Texts {
  const since = `tag "${nameOf(reference)}" moved since ${day(record)}`;
  const middle =
    gone === undefined
      ? [
          outcome === "refuse"
            ? "the tag has moved since; nothing of the new image was run"
            : "the tag has moved since; this build uses the new image",
          ...ruleLine(rule),
          ...(rule.action === "warn" ? ageLine(rule) : []),
          ...keepRecorded(reference, record),
        ]
      : [
          "the policy builds this tag as recorded, and the recorded image cannot be used:",
          `  ${gone}`,
          ...ruleLine(rule),
          "push the recorded image to its registry again, under any tag; or",
        ];
  return {
    line: `${nameOf(reference)} MOVED: got ${digestOf(reference)}, want ${record.digest} (${evidence(record)})`,
    trouble: {
      short: gone === undefined ? since : `${since}, and the recorded image cannot be used`,
      // Tests and people know a moved tag by these words.
      headline: `tag "${nameOf(reference)}" mismatch; got "${digestOf(reference)}", want "${record.digest}"`,
      details: [
        ...evidenceLines(record),
        ...middle,
        ...approve(reference, record),
        ...takeByDigest(reference, "accept it in this Dockerfile alone"),
      ],
    },
  };
}

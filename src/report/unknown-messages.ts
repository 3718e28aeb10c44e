// SPDX-License-Identifier: Apache-2.0
import type { UnknownReason } from "../check/verdict.ts";
import { folded } from "./folded-text.ts";
import { type About, BY_DIGEST, digestOf, nameOf, type Row } from "./message-row.ts";
import { ruleLine } from "./rule-lines.ts";
import { takeByDigest, updateLockFile } from "./ways-out.ts";

/** The message of each reason why nothing can be said of a tag. */
export const UNKNOWN_NAMES = {
  unreachable: "LogUnreachable",
  unproven: "LogUnproven",
  unsearchable: "NotInLockFile",
  contradicted: "LockContradicted",
  unwritten: "RecordingFailed",
} as const satisfies Readonly<Record<UnknownReason, string>>;

export type UnknownMessageName = (typeof UNKNOWN_NAMES)[UnknownReason];

/** The texts about tags of which nobody can say what their records are. */
export const UNKNOWN_MESSAGES: Readonly<Record<UnknownMessageName, Row<"unknown">>> = {
  // What a server said is shown in one line, in which it can be searched for.
  LogUnreachable: unknown("could not be checked", ({ verdict: { detail } }) => [detail], {
    wayOut: `try again when it answers, ${BY_DIGEST}`,
  }),
  LogUnproven: unknown("has a record that is not proven", inOwnWords, {
    wayOut: `try again when that is mended, ${BY_DIGEST}`,
  }),
  NotInLockFile: unknown("has no record in a lock file", inOwnWords, {
    lines: updateLockFile("put it there, in a build that can sign"),
    wayOut: BY_DIGEST,
  }),
  LockContradicted: unknown("has an earlier record in the log than in the lock file", inOwnWords, {
    lines: [
      "find out who left it out; to have it back, delete the tag's lines there, and",
      ...updateLockFile("update the file"),
    ],
    wayOut: BY_DIGEST,
  }),
  RecordingFailed: unknown("could not be recorded", ({ verdict: { detail } }) => [detail], {
    wayOut: `try again when that is mended, ${BY_DIGEST}`,
  }),
};

/** A row: what is the matter with the tag, the reason as it was met, and the ways out, of which the last is the digest. */
function unknown(
  matter: string,
  reason: (about: About<"unknown">) => readonly string[],
  { lines = [], wayOut }: { readonly lines?: readonly string[]; readonly wayOut: string },
): Row<"unknown"> {
  return {
    line: ({ reference, verdict: { detail } }) =>
      `${nameOf(reference)} UNKNOWN: ${digestOf(reference)} could not be checked: ${detail}`,
    trouble: {
      short: ({ reference, outcome }) =>
        `tag "${nameOf(reference)}" ${matter}${outcome === "refuse" ? ", so the build stops before it is used" : ""}`,
      details: (about) => [
        ...reason(about),
        ...ruleLine(about.rule, "unknown"),
        ...lines,
        ...takeByDigest(about.reference, { digest: about.reference.digest, saying: wayOut }),
      ],
    },
  };
}

/** The reason where all its words are ours. */
function inOwnWords({ verdict: { detail } }: About<"unknown">): readonly string[] {
  return folded(detail);
}

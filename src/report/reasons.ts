// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import type { UnknownReason, UnrecordedReason } from "../check/verdict.ts";
import { BY_DIGEST, digestOf, takeByDigest, updateLockFile } from "./phrases.ts";

/** Why a new tag is not recorded: in brackets behind its digest, and with what to do. */
export const UNRECORDED: Readonly<
  Record<
    UnrecordedReason,
    (judgement: Judgement, detail: string) => { readonly why: string; readonly details: readonly string[] }
  >
> = {
  "no-signer": () => ({
    why: "nothing to sign with: give a P-256 key with --secret id=tlog-signing-key,src=FILE, or an identity token with --secret id=tlog-identity-token,src=FILE",
    details: [
      "this build had nothing to sign a record with; give it one of these:",
      "  --secret id=tlog-signing-key,src=key.pem    (a P-256 key)",
      "  --secret id=tlog-identity-token,src=token   (an OpenID Connect token)",
    ],
  }),
  policy: ({ reference, rule }) => ({
    why:
      rule.unseen === "block"
        ? "the policy does not let this build record new tags"
        : "the policy allows new tags without recording them",
    details: takeByDigest(reference, `record it first in a build that records new tags, ${BY_DIGEST}`),
  }),
  "not-public": (_, detail) => ({
    why: `only images that anyone can pull are recorded: ${detail}`,
    details: [
      "only images that anyone can pull are recorded:",
      `  ${detail}`,
      'to record it all the same, give it a rule with "private: true"',
    ],
  }),
  "registry-differs": ({ reference }, detail) => ({
    why: `the registry serves ${detail} for this tag: a local image, or a mirror that differs`,
    details: [
      "it is a local image, or one of a mirror that differs from the registry:",
      `  the build has        ${digestOf(reference)}`,
      `  the registry serves  ${detail}`,
      "build with --pull to use the registry's image instead of a local one",
    ],
  }),
};

/** What is wrong with a tag of which nothing is known, and what to do. */
export const UNKNOWN: Readonly<
  Record<
    UnknownReason,
    {
      readonly matter: string;
      /** Whether all words of the detail are ours, and may be broken into lines. */
      readonly isOurs?: true;
      readonly steps?: readonly string[];
      readonly remedy: string;
    }
  >
> = {
  unreachable: { matter: "could not be checked", remedy: `build again when it answers, ${BY_DIGEST}` },
  unproven: {
    matter: "has a record that is not proven",
    isOurs: true,
    remedy: `build again when that is fixed, ${BY_DIGEST}`,
  },
  unsearchable: {
    matter: "has no record in a lock file",
    isOurs: true,
    steps: updateLockFile("add it, in a build that can sign"),
    remedy: BY_DIGEST,
  },
  contradicted: {
    matter: "has an earlier record in the log than in the lock file",
    isOurs: true,
    steps: [
      "find out who left it out; to have it back, delete the tag's lines there, and",
      ...updateLockFile("update the file"),
    ],
    remedy: BY_DIGEST,
  },
  unwritten: { matter: "could not be recorded", remedy: `build again when that is fixed, ${BY_DIGEST}` },
};

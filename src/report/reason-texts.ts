// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import type { UnknownReason, UnrecordedReason } from "../check/verdict.ts";
import type { MessageName } from "./message-names.ts";
import { digestOf, folded } from "./phrases.ts";
import { orByDigest, type WayOut } from "./ways-out.ts";

/** What a build can sign with. */
const SIGNING = [
  "  --secret id=tlog-signing-key,src=key.pem    (a P-256 key)",
  "  --secret id=tlog-identity-token,src=token   (an OpenID Connect token)",
];

/** Why a new tag is not recorded: in brackets behind its digest, and with what to do. */
export const UNRECORDED: Readonly<
  Record<
    UnrecordedReason,
    (
      judgement: Judgement,
      detail: string,
    ) => {
      readonly name: MessageName;
      readonly why: string;
      readonly details: readonly string[];
      readonly ways?: readonly WayOut[];
    }
  >
> = {
  "no-signer": () => ({
    name: "UnrecordedNoSigner",
    why: "nothing to sign with: give a P-256 key with --secret id=tlog-signing-key,src=FILE, or an identity token with --secret id=tlog-identity-token,src=FILE",
    details: ["this build had nothing to sign a record with; give it one of these:", ...SIGNING],
  }),
  "not-watched": (_, detail) => ({
    name: "UnrecordedNotWatched",
    why: `no ledger has it: ${detail}; have it watched there, or give this build something to sign with`,
    details: [
      "no ledger has it:",
      `  ${detail}`,
      "have the tag watched there; or give this build something to sign with:",
      ...SIGNING,
    ],
  }),
  policy: ({ rule }) => ({
    name: "UnrecordedByPolicy",
    why:
      rule.unseen === "block"
        ? "the policy does not let this build record new tags"
        : "the policy allows new tags without recording them",
    details: [],
    ways: [orByDigest("record it first in a build that records new tags")],
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
  "internal-name": (_, detail) => ({
    name: "UnrecordedInternalName",
    why: detail,
    details: folded(detail),
  }),
  "rate-limited": (_, detail) => ({
    name: "UnrecordedRateLimited",
    why: `the registry wants fewer questions, and a later build records it: ${detail}`,
    details: [
      "it is not recorded now, because the registry wants fewer questions:",
      `  ${detail}`,
      "a later build records it",
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
export const UNKNOWN: Readonly<
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
      /** What to do besides naming the image by digest. */
      readonly remedy?: string;
    }
  >
> = {
  unreachable: {
    name: "LogUnreachable",
    matter: "could not be checked",
    remedy: "build again when it answers",
  },
  "not-compared": {
    name: "PlatformsNotCompared",
    matter: "names another index than recorded, which could not be compared",
    remedy: "build again when the registry answers",
  },
  "no-evidence": {
    name: "NotInEvidence",
    matter: "has no record in the evidence of the image",
    isOurs: true,
    steps: ["build the image again, in a build that records its tags or has their records"],
  },
  unproven: {
    name: "LogUnproven",
    matter: "has a record that is not proven",
    isOurs: true,
    remedy: "build again when that is fixed",
  },
  unsearchable: {
    name: "NotInLockFile",
    matter: "has no record in a lock file",
    isOurs: true,
    lock: "add it, in a build that can sign",
  },
  contradicted: {
    name: "LockContradicted",
    matter: "has an earlier record in the log than in the lock file",
    isOurs: true,
    steps: ["find out who left it out; to have it back, delete the tag's lines there"],
    lock: "and then update the file",
  },
  unwritten: {
    name: "RecordingFailed",
    matter: "could not be recorded",
    remedy: "build again when that is fixed",
  },
  "ledger-not-there": {
    name: "LedgerNotThere",
    matter: "could not be checked, because its ledger is not there",
    steps: [
      'look for a misspelt "repository" under "ledgers" in the policy;',
      "its observer makes the ledger when it first runs",
    ],
  },
  "ledger-unreachable": {
    name: "LedgerUnreachable",
    matter: "could not be checked, because its ledger cannot be asked",
    remedy: "build again when its registry answers",
  },
  "ledger-too-old": {
    name: "LedgerTooOld",
    matter: "could not be checked, because its ledger is too old, or from the future",
    isOurs: true,
    steps: [
      "see whether the observer still runs, and whether the clocks are right;",
      'or allow a greater "max-age" under "ledgers"',
    ],
  },
  "ledger-foreign": {
    name: "LedgerForeign",
    matter: "could not be checked, because its ledger is somebody else's",
    isOurs: true,
    steps: ['find out who wrote it; if that is right, name the signer as its "observer"'],
  },
  "ledger-broken": {
    name: "LedgerBroken",
    matter: "could not be checked, because its ledger does not hold",
    isOurs: true,
    steps: ["find out who changed it; the observer writes it again from what is logged"],
  },
};

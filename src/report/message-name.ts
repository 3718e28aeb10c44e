// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import type { UnknownReason, UnrecordedReason } from "../check/verdict.ts";

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

const DOCUMENTATION = "https://github.com/tlog-dockerfile/tlog-dockerfile/blob/main/docs/messages.md";

/** Where a message is explained. */
export function messageUrl(name: MessageName): string {
  return `${DOCUMENTATION}#${name.toLowerCase()}`;
}

const UNRECORDED = {
  "no-signer": "UnrecordedNoSigner",
  policy: "UnrecordedByPolicy",
  "not-public": "UnrecordedNotPublic",
  "registry-differs": "UnrecordedRegistryDiffers",
} as const satisfies Readonly<Record<UnrecordedReason, MessageName>>;

const UNKNOWN = {
  unreachable: "LogUnreachable",
  unproven: "LogUnproven",
  unsearchable: "NotInLockFile",
  contradicted: "LockContradicted",
  unwritten: "RecordingFailed",
} as const satisfies Readonly<Record<UnknownReason, MessageName>>;

/** What is to be said of an image. Whether it stops the build is said by the outcome, not by the name. */
export function messageName({ verdict, rule }: Pick<Judgement, "verdict" | "rule">): MessageName {
  switch (verdict.kind) {
    case "unchanged":
      if (verdict.note === undefined) return "TagUnchanged";
      return verdict.note === "superseded" ? "Superseded" : "SamePlatforms";
    case "first-seen":
      return "FirstSeen";
    case "approved":
      return "TagApproved";
    case "moved":
      if (verdict.gone !== undefined) return "PinnedImageGone";
      if (rule.action === "follow") return "TagFollowed";
      return rule.action === "warn" ? "MovedWarned" : "TagMoved";
    case "pinned":
      return "TagPinned";
    case "too-new":
      return "TooNew";
    case "unrecorded":
      return UNRECORDED[verdict.reason];
    case "unknown":
      return UNKNOWN[verdict.reason];
    case "unpinned":
      return "Unpinned";
    case "by-digest":
      return "ByDigest";
    case "exempt":
      return "Exempt";
  }
}

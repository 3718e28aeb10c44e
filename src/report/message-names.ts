// SPDX-License-Identifier: Apache-2.0

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
  "UnrecordedInternalName",
  "UnrecordedRateLimited",
  "UnrecordedRegistryDiffers",
  "LogUnreachable",
  "PlatformsNotCompared",
  "NotInEvidence",
  "LogUnproven",
  "NotInLockFile",
  "LockContradicted",
  "RecordingFailed",
  "Unpinned",
  "ByDigest",
  "ByDigestBlocked",
  "Exempt",
] as const;

export type MessageName = (typeof MESSAGE_NAMES)[number];

// SPDX-License-Identifier: Apache-2.0
import type { Reference } from "../image/reference.ts";
import type { Policy } from "../policy/policy.ts";
import type { Record } from "../record/verification.ts";

/** What we say of one image source. */
export type Verdict =
  /** The record that stands for the tag names this digest. */
  | { readonly kind: "unchanged"; readonly record: Record }
  /** No record was there; this build wrote the one that stands now. */
  | { readonly kind: "first-seen"; readonly record: Record }
  /** No record is there, and none was written. */
  | { readonly kind: "unrecorded"; readonly reason: UnrecordedReason; readonly detail: string }
  /** The record that stands names another digest. */
  | { readonly kind: "moved"; readonly record: Record }
  /** The image is named by digest alone: there is no tag that could move. */
  | { readonly kind: "by-digest" }
  /** BuildKit would resolve the tag again when the build runs, so nothing said now would hold. */
  | { readonly kind: "unpinned"; readonly detail: string }
  /** The log could not be asked, or not be written although it had to be. */
  | { readonly kind: "unknown"; readonly detail: string };

/** Why a new tag was not recorded. */
export type UnrecordedReason =
  /** Nobody gave a key to sign with. */
  | "no-signer"
  /** The policy says that new tags are let through, or refused, and not recorded. */
  | "policy"
  /** The registry does not show the tag to everybody, so it has no place in a public log. */
  | "not-public"
  /** The registry names another image than the one that BuildKit would use: a local image or a mirror. */
  | "registry-differs";

/** What asking about a tag gave. */
export type Lookup =
  | { readonly kind: "found"; readonly standing: Record }
  | { readonly kind: "none" }
  | { readonly kind: "failed"; readonly detail: string };

/**
 * The verdict on an image, given what was found about its tag; `unseen` when there is no record and the next
 * step is the policy's. Pure: no network, no clock.
 */
export function decide(reference: Reference, lookup: Lookup): Verdict | { readonly kind: "unseen" } {
  if (reference.digest === undefined) return { kind: "unpinned", detail: "" };
  if (reference.tag === undefined) return { kind: "by-digest" };
  switch (lookup.kind) {
    case "failed":
      return { kind: "unknown", detail: lookup.detail };
    case "none":
      return { kind: "unseen" };
    case "found":
      return {
        kind: lookup.standing.digest === reference.digest ? "unchanged" : "moved",
        record: lookup.standing,
      };
  }
}

/** Whether a build that consumes an image with this verdict is refused. */
export function refuses(verdict: Verdict, policy: Policy): boolean {
  switch (verdict.kind) {
    case "moved":
    case "unpinned":
      return true;
    case "unknown":
      return policy.default.unknown === "block";
    case "unrecorded":
      return policy.default.unseen === "block";
    case "unchanged":
    case "first-seen":
    case "by-digest":
      return false;
  }
}

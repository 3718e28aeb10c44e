// SPDX-License-Identifier: Apache-2.0
import type { Reference } from "../image/reference.ts";
import type { Ledger } from "../ledger/answer.ts";
import type { EffectivePolicy } from "../policy/policy.ts";
import type { History } from "../record/history.ts";
import type { Trust } from "../record/signer.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";
import type { Courier, Found } from "./courier.ts";

/** An image that a build consumes. */
export interface ConsumedImage {
  readonly reference: Reference;
  /** The platforms that are built with it, `linux/amd64`, …; empty when that is not known. */
  readonly platforms: readonly string[];
  /** Whether the digest is written in the Dockerfile, so that the registry was not asked for it. */
  readonly claimed: boolean;
}

/** What a courier is asked for a tag. */
export type Search = Parameters<Courier["find"]>[0];

/** Answers that a log gave to searches, one for each, and that were kept. */
export interface RememberedAnswer {
  readonly found: readonly Found[];
  /** The day on which they were asked for (UTC), `2026-11-21`. */
  readonly askedOn: string;
}

/**
 * What the builder remembers of these searches: the answers it has, the oldest first; where it has none, or those before are not
 * enough, it asks. Ends where a courier has to ask. Never throws.
 */
export type Remembered = (searches: readonly Search[]) => AsyncIterable<RememberedAnswer>;

/** Everything that the check of a build needs from outside, made once. */
export interface CheckContext {
  readonly policy: EffectivePolicy;
  /** A courier, the same one each time; `signing` says whether it has the build's secrets. */
  readonly courier: (options: { signing: boolean }) => Promise<Courier>;
  readonly trustedRoot: () => Promise<TrustedRoot>;
  /** Another trusted root, fetched once, when one record's log or authority is not in the first; undefined: there is none. */
  readonly newerRoot?: () => Promise<TrustedRoot | undefined>;
  /**
   * Verified records of a tag that the build brings along, and what of it does not count; undefined when it brings nothing.
   * Throws for evidence that does not hold.
   */
  readonly locked?: (reference: Reference, trust: readonly Trust[]) => Promise<History | undefined>;
  /** The policy's ledgers, one each. */
  readonly ledgers?: readonly Ledger[];
  /** What the builder remembers of searches; not given where a log is to be asked in any case. It lets a tag be unchanged, and no more. */
  readonly remembered?: Remembered;
  /** Whether images are judged by those records alone: then no ledger and no log is asked, and nothing is signed. */
  readonly onlyBrought?: true;
  /** Whether ledgers and the log are asked although records were brought along. */
  readonly recheck: boolean;
  /**
   * Whether new records are kept in a lock file. Only then may a tag count as new although a log without search may
   * have it, and only then is anything written to such a log.
   */
  readonly keepsRecords: boolean;
  /** The image, by tag and digest, that is to supersede its tag's standing record, and why. */
  readonly approval?: { readonly image: Reference; readonly reason?: string | undefined } | undefined;
  readonly now: () => Date;
  /** A signal that ends one request. */
  readonly deadline: () => AbortSignal;
}

// SPDX-License-Identifier: Apache-2.0
import type { Reference } from "../image/reference.ts";
import type { LogService } from "../log/signing-config.ts";
import type { EffectivePolicy } from "../policy/policy.ts";
import type { History } from "../record/history.ts";
import type { Trust, TrustedIdentity } from "../record/signer.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";

/** An image that a build consumes. */
export interface ConsumedImage {
  readonly reference: Reference;
  /** The platforms that are built with it, `linux/amd64`, …; empty when that is not known. */
  readonly platforms: readonly string[];
  /** Whether the digest is written in the Dockerfile, so that the registry was not asked for it. */
  readonly claimed: boolean;
}

/** Until when an answer is waited for. */
interface Deadline {
  readonly signal: AbortSignal;
}

/** An entry as a Rekor v1 log answered it. */
export interface RawEntry {
  readonly uuid: string;
  readonly entry: unknown;
}

/** What a log answers when it is written to: the name of the entry (Rekor v1), or the whole bundle (v2; there is no other copy). */
export type Written = { readonly uuid: string } | { readonly bundle: unknown };

/**
 * Fetches and signs for a check. Nothing it brings is trusted. Failures reject with an Error that has a `code`.
 */
export interface Courier {
  /** The public key of the signing secret, or the identity in its token; or why it cannot sign. Empty without a secret. */
  ready(deadline: Deadline): Promise<{
    publicKey?: string | undefined;
    identity?: Omit<TrustedIdentity, "kind"> | undefined;
    signerProblem?: string | undefined;
  }>;
  /** All entries that a Rekor v1 log has for a hash; of one signer alone when `identity` says so. */
  find(
    what: { log: string; hash: string; identity?: string; including?: string },
    deadline: Deadline,
  ): Promise<readonly RawEntry[]>;
  /** The manifest that the registry shows to everybody under a tag or a digest. */
  manifest(
    what: { registry: string; repository: string; tag: string; plainHttp: boolean },
    deadline: Deadline,
  ): Promise<{ readonly bytes: Uint8Array; readonly mediaType: string }>;
  /** A blob of a repository that the registry shows to everybody. */
  blob(
    what: { registry: string; repository: string; digest: string; plainHttp: boolean; maxBytes: number },
    deadline: Deadline,
  ): Promise<Uint8Array>;
  /** Signs a statement, if need be with a certificate of `fulcio`, and appends it to the log. */
  record(
    what: {
      log: LogService;
      fulcio?: string | undefined;
      timestamps: readonly string[];
      statement: Uint8Array;
    },
    deadline: Deadline,
  ): Promise<Written>;
}

/** Everything that the check of a build needs from outside, made once. */
export interface CheckContext {
  readonly policy: EffectivePolicy;
  /** A courier, the same one each time; `signing` says whether it has the build's secrets. */
  readonly courier: (options: { signing: boolean }) => Promise<Courier>;
  readonly trustedRoot: () => Promise<TrustedRoot>;
  /** Another trusted root, fetched once, when one record's log or authority is not in the first; undefined: there is none. */
  readonly newerRoot?: () => Promise<TrustedRoot | undefined>;
  /** Verified records of a tag that the build brings along; empty when it brings none. Throws for evidence that does not hold. */
  readonly locked?: (reference: Reference, trust: readonly Trust[]) => Promise<History | undefined>;
  /** Whether the log is asked although records were brought along. */
  readonly recheck: boolean;
  /**
   * Whether new records are kept in a lock file. Only then may a tag count as new although a log without search may
   * have it, and only then is anything written to such a log.
   */
  readonly keepsRecords: boolean;
  /** The tag whose standing record is to be superseded by what it names now, and why. */
  readonly approval?: { readonly tag: Reference; readonly reason?: string | undefined } | undefined;
  readonly now: () => Date;
  /** A signal that ends one request. */
  readonly deadline: () => AbortSignal;
}

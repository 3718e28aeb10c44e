// SPDX-License-Identifier: Apache-2.0
import type { RawEntry } from "../log/rekor-v1.ts";
import type { LogService } from "../log/signing-config.ts";
import type { Identity } from "../record/signer.ts";
import type { RecordErrorCode } from "../record/error.ts";
import type { Counting } from "./counting.ts";

/** Until when an answer is waited for. */
interface Deadline {
  readonly signal: AbortSignal;
}

/** What a log gave for a statement: the name of its entry (Rekor v1), or the whole bundle (v2, of which there is no other copy). */
export type Written = { readonly uuid: string } | { readonly bundle: unknown };

/**
 * The signer that a courier has: the public key of its signing secret (SPKI PEM), or the identity that its token names; or
 * why the secret cannot sign. Nothing when there is no secret.
 */
export interface Ready {
  readonly publicKey?: string | undefined;
  readonly identity?: Identity | undefined;
  readonly signerProblem?: string | undefined;
}

/** A manifest byte for byte, or the digest that a tag names instead of the one that it was to name. */
export type Served = { readonly bytes: Uint8Array; readonly mediaType: string } | { readonly digest: string };

/** A statement and where it is to be recorded. */
export interface Recording {
  readonly log: LogService;
  /** The certificate authority; needed when the build signs with an identity token. */
  readonly fulcio?: string | undefined;
  /** URLs of timestamp authorities; Rekor v2 needs one. */
  readonly timestamps: readonly string[];
  /** The exact bytes of the in-toto statement. */
  readonly statement: Uint8Array;
}

/** What a search gave. */
export interface Found {
  readonly entries: readonly RawEntry[];
  /** How many other entries there are, and why none of them can count, as the courier says. */
  readonly dropped: ReadonlyMap<RecordErrorCode, number>;
}

/**
 * Fetches and signs for a check. Nothing it brings is trusted. Failures reject with an Error that has a `code`.
 */
export interface Courier {
  /** The signer that it has, once it has started. */
  ready(deadline: Deadline): Promise<Ready>;
  /**
   * The entries that a Rekor v1 log has for a hash and that may count; of one signer alone when `identity` says so. All
   * searches for one `tag` share a budget. The one to be `including` comes in any case.
   */
  find(
    what: {
      log: string;
      hash: string;
      identity?: string;
      including?: string;
      tag?: string;
      counting?: Counting;
    },
    deadline: Deadline,
  ): Promise<Found>;
  /**
   * The manifest that the registry shows to everybody under a tag or a digest. Where the tag is to name a `digest`, and
   * names another one, that digest alone. With `public` a registry at an address that is not public fails as `not-public`.
   */
  manifest(
    what: {
      registry: string;
      repository: string;
      tag: string;
      plainHttp: boolean;
      digest?: string;
      public?: boolean;
    },
    deadline: Deadline,
  ): Promise<Served>;
  /** A blob of a repository that the registry shows to everybody. */
  blob(
    what: { registry: string; repository: string; digest: string; plainHttp: boolean; maxBytes: number },
    deadline: Deadline,
  ): Promise<Uint8Array>;
  /** Signs a statement, if need be with a certificate of `fulcio`, and appends it to the log. */
  record(what: Recording, deadline: Deadline): Promise<Written>;
}

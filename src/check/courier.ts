// SPDX-License-Identifier: Apache-2.0
import type { RawEntry } from "../log/rekor-v1.ts";
import type { LogService } from "../log/signing-config.ts";
import type { Identity } from "../record/signer.ts";

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

/**
 * Fetches and signs for a check. Nothing it brings is trusted. Failures reject with an Error that has a `code`.
 */
export interface Courier {
  /** The signer that it has, once it has started. */
  ready(deadline: Deadline): Promise<Ready>;
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
  record(what: Recording, deadline: Deadline): Promise<Written>;
}

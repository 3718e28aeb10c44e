// SPDX-License-Identifier: Apache-2.0
import type { LogService } from "../log/signing-config.ts";

/** Until when an answer is waited for. */
interface Deadline {
  readonly signal: AbortSignal;
}

/** An entry as a Rekor v1 log answered it. */
export interface RawEntry {
  readonly uuid: string;
  readonly entry: unknown;
}

/** What a log gave for a statement: the name of its entry (Rekor v1), or the whole bundle (v2, of which there is no other copy). */
export type Written = { readonly uuid: string } | { readonly bundle: unknown };

/**
 * Who fetches and signs for a check. Nothing it brings is trusted. Failures reject with an Error that has a `code`.
 */
export interface Courier {
  /** The public key of the signing secret, or whom its token names; or why it cannot sign. Nothing when there is none. */
  ready(deadline: Deadline): Promise<{
    publicKey?: string | undefined;
    identity?: { readonly issuer: string; readonly identity: string } | undefined;
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

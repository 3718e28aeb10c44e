// SPDX-License-Identifier: Apache-2.0
import type { TrustedSigner } from "../record/signer.ts";

/** A ledger that a build reads, and who writes it. */
export interface LedgerSource {
  /** The repository, canonical and without a tag: `ghcr.io/acme/tlog-ledger`. */
  readonly repository: string;
  /** Who signs its heads, and the sightings in it that may be the first of a tag. */
  readonly observer: TrustedSigner;
  /** Whose approvals and vouching in it count. */
  readonly approvers: readonly TrustedSigner[];
  /** How old its head may be, in milliseconds. */
  readonly maxAgeMs: number;
}

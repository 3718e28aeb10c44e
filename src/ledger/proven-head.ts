// SPDX-License-Identifier: Apache-2.0
import { type Sha256, sha256 } from "../image/digest.ts";
import { checkLoggedWhenObserved, claimInBundle } from "../record/candidate.ts";
import { RecordError } from "../record/error.ts";
import { checkLogIsNamed, claimedTime, proveClaim } from "../record/proofs.ts";
import type { RecordContext, TagRecord } from "../record/record.ts";
import { IN_TOTO_PAYLOAD_TYPE } from "../record/statement.ts";
import type { TrustedSigner } from "../record/signer.ts";
import { LedgerError } from "./error.ts";
import { type LedgerHead, parseHead } from "./head.ts";

/** A head that is proven to be its observer's and to be in a log. */
export interface ProvenHead
  extends LedgerHead, Pick<TagRecord, "logIndex" | "logId" | "logUrl" | "loggedAt"> {
  /** sha256 of its statement: what the next head names as the one before it. */
  readonly statement: Sha256;
}

/** What a head is proven by, and whose it has to be. */
export interface HeadContext extends Pick<RecordContext, "trustedRoot" | "logs"> {
  /** The repository, canonical and without a tag. */
  readonly repository: string;
  readonly observer: TrustedSigner;
}

/**
 * Proves a head, given as the parsed JSON of its bundle, in the way records are proven. Throws LedgerError: "ledger-foreign"
 * for one that is signed by somebody else or is another ledger's, else "ledger-broken", with the reason.
 */
export function proveHead(
  bundle: unknown,
  { repository, observer, trustedRoot, logs }: HeadContext,
): ProvenHead {
  const place = `the head of "${repository}"`;
  try {
    const { claim } = claimInBundle(bundle, place, { trust: [{ signer: observer, may: new Set() }] });
    const payload = Buffer.from(claim.bundle.dsseEnvelope.payload, "base64");
    if (claim.bundle.dsseEnvelope.payloadType !== IN_TOTO_PAYLOAD_TYPE)
      throw new LedgerError("ledger-broken", "its head is no in-toto statement");
    const head = parseHead(
      payload,
      (why, cause) => new LedgerError("ledger-broken", `its head is none: ${why}`, { cause }),
    );
    const loggedAt = claimedTime(claim);
    checkLoggedWhenObserved(place, { loggedAt, observedAt: head.madeAt });
    const [entry] = claim.bundle.verificationMaterial.tlogEntries;
    checkLogIsNamed({ place, entry }, logs, trustedRoot);
    const { logIndex, logId, logUrl } = proveClaim(claim, loggedAt, trustedRoot);
    // After the proof, so that it is its own observer who says so.
    if (head.ledger !== repository)
      throw new LedgerError("ledger-foreign", `its head is that of the ledger "${head.ledger}"`);
    return { ...head, logIndex, logId, logUrl, loggedAt, statement: sha256(payload) };
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
    const { code: reason, message } = error;
    if (reason === "untrusted-signer")
      throw new LedgerError("ledger-foreign", `its head is not signed by its observer: ${message}`, {
        cause: error,
        reason,
      });
    throw new LedgerError("ledger-broken", `its head does not hold (${reason}): ${message}`, {
      cause: error,
      reason,
    });
  }
}

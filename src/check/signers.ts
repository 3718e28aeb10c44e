// SPDX-License-Identifier: Apache-2.0
import { ledgerTrust } from "../policy/ledgers.ts";
import { joinTrust } from "../policy/trust.ts";
import {
  parseIdentity,
  parsePublicKey,
  type Permission,
  signerId,
  type Trust,
  type TrustedSigner,
} from "../record/signer.ts";
import type { CheckContext } from "./context.ts";
import type { Courier } from "./courier.ts";

/** A check that cannot be made at all: the signing secret is no key, the lock file is not what it should be. */
export class CheckError extends Error {
  override readonly name = "CheckError";
}

/** The couriers of one check, and the signers that count in it. */
export interface Signers {
  /** Those of the policy and of its ledgers, and this build's own once it is known: another list whenever one was added. */
  readonly trusted: () => readonly Trust[];
  /** Counts this signer too, as this build's own, for the rest of the check. */
  readonly trustOwn: (signer: TrustedSigner) => void;
  /** Those that count, with this build's own when the policy names none. */
  readonly known: () => Promise<readonly Trust[]>;
  /** Whether those of ledgers are the only ones so far, and nobody has looked for this build's own. */
  readonly areOfLedgersAlone: () => boolean;
  /** Whether the policy names signers, so that no secret is needed to know whose records count. */
  readonly areNamed: boolean;
  /** Whether anybody signs whose records are in a log: a signer of the policy, or this build's own. */
  readonly areInLogs: () => boolean;
  /** A courier to ask with; one without secrets, if they decide nothing. */
  readonly asking: () => Promise<Courier>;
  /** The courier that can sign, or `undefined` when the build has nothing to sign with, or is to sign nothing. */
  readonly signing: () => Promise<Courier | undefined>;
}

/**
 * The signers of a check. Nothing is started before it is asked for, and secrets are handed to a courier only when
 * they decide something: whom to trust, or a record to sign. Its functions throw CheckError for a secret that cannot
 * sign, TrustError for a key that is none, and what starting a courier throws.
 */
export function openSigners({ policy, courier, deadline, onlyBrought }: CheckContext): Signers {
  const isNamed = policy.trust.length > 0;
  // Replaced and never changed, so that a caller can tell that its list is older.
  let trusted = joinTrust([...policy.trust, ...ledgerTrust(policy.ledgers)]);
  let hasOwn = false;
  // Where the policy names no signers, the build's own is the only one. Beside others it may only record.
  const ownMay: ReadonlySet<Permission> = new Set(isNamed ? ["record"] : ["record", "approve"]);
  const trustOwn = (signer: TrustedSigner): void => {
    hasOwn = true;
    const isSame = (each: Trust) => signerId(each.signer) === signerId(signer);
    if (policy.trust.some(isSame)) return;
    const known = trusted.find(isSame);
    // A ledger may name it for less.
    if (known === undefined || [...ownMay].some((permission) => !known.may.has(permission)))
      trusted = joinTrust([...trusted, { signer, may: ownMay }]);
  };
  let signing: Promise<Courier | undefined> | undefined;

  const openSigning = async (): Promise<Courier | undefined> => {
    const signer = await courier({ signing: true });
    const { publicKey, identity, signerProblem } = await signer.ready({ signal: deadline() });
    if (signerProblem !== undefined) throw new CheckError(signerProblem);
    if (publicKey !== undefined) trustOwn(parsePublicKey(publicKey));
    // The token's claim is not verified. It only decides whose records are searched for: those still have to be
    // proven, and whoever chooses the token could as well choose the key.
    else if (identity !== undefined) trustOwn(parseIdentity(identity));
    else return undefined;
    return signer;
  };
  const signingOnce = (): Promise<Courier | undefined> => (signing ??= openSigning());

  return {
    trusted: () => trusted,
    trustOwn,
    async known() {
      if (!isNamed) await signingOnce();
      return trusted;
    },
    areOfLedgersAlone: () => !isNamed && trusted.length > 0 && signing === undefined && !onlyBrought,
    areNamed: isNamed,
    areInLogs: () => isNamed || hasOwn,
    async asking() {
      const areKnown = isNamed || (trusted.length > 0 && signing === undefined);
      if (areKnown) return courier({ signing: false });
      await signingOnce();
      return courier({ signing: true });
    },
    signing: async () => (onlyBrought ? undefined : signingOnce()),
  };
}

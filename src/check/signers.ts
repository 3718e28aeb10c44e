// SPDX-License-Identifier: Apache-2.0
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
  /** Those of the policy, and this build's own once it is known: another list whenever one was added. */
  readonly trusted: () => readonly Trust[];
  /** Counts this signer too, as this build's own, for the rest of the check. */
  readonly trustOwn: (signer: TrustedSigner) => void;
  /** Those that count, with this build's own when the policy names none. */
  readonly known: () => Promise<readonly Trust[]>;
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
  // Replaced and never changed, so that a caller can tell that its list is older.
  let trusted: readonly Trust[] = policy.trust;
  // Where the policy names no signers, the build's own is the only one. Beside others it may only record.
  const ownMay: ReadonlySet<Permission> = new Set(
    policy.trust.length === 0 ? ["record", "approve"] : ["record"],
  );
  const trustOwn = (signer: TrustedSigner): void => {
    if (!trusted.some((each) => signerId(each.signer) === signerId(signer)))
      trusted = [...trusted, { signer, may: ownMay }];
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
      if (policy.trust.length === 0) await signingOnce();
      return trusted;
    },
    async asking() {
      if (policy.trust.length > 0) return courier({ signing: false });
      await signingOnce();
      return courier({ signing: true });
    },
    signing: async () => (onlyBrought ? undefined : signingOnce()),
  };
}

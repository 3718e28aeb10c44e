// SPDX-License-Identifier: Apache-2.0
import {
  parseIdentity,
  parseIdentityPattern,
  parsePublicKey,
  type Permission,
  signerId,
  type Trust,
  type TrustedSigner,
} from "../record/signer.ts";

/** What the records of a signer are good for. */
export const PERMISSIONS = ["record", "approve", "vouch"] as const satisfies readonly Permission[];

/** An entry of `trust`, its shape checked and nothing else. */
interface TrustShape {
  readonly key?: string | undefined;
  readonly issuer?: string | undefined;
  readonly identity?: string | undefined;
  readonly "identity-pattern"?: string | undefined;
  readonly may?: readonly Permission[] | undefined;
  readonly tlogistry?: boolean | undefined;
}

/** Reads one entry of `trust`. Throws TypeError and TrustError. */
export function readTrust(entry: TrustShape): Trust {
  const signer = readSigner(entry);
  if (entry.tlogistry === true && signer.kind === "key")
    throw new TypeError('"tlogistry" is for identities: tlogistry signed with certificates alone');
  return {
    signer,
    may: new Set(entry.may ?? ["record"]),
    ...(entry.tlogistry === true && { tlogistry: true }),
  };
}

function readSigner({ key, issuer, identity, "identity-pattern": pattern }: TrustShape): TrustedSigner {
  const given = [key, issuer, identity, pattern].filter((each) => each !== undefined).length;
  if (key !== undefined && given === 1) return parsePublicKey(key);
  if (issuer !== undefined && identity !== undefined && given === 2)
    return parseIdentity({ issuer, identity });
  if (issuer !== undefined && pattern !== undefined && given === 2)
    return parseIdentityPattern({ issuer, pattern });
  throw new TypeError(
    'a signer is "key" alone, or "issuer" together with "identity" or with "identity-pattern"',
  );
}

/** What tells entries apart, but for what they may. */
export function trustId({ signer }: Trust): string {
  return signerId(signer);
}

/** Whether the entry lets a signer do no more than the floor's entry does. */
function isWithin(above: Trust, floor: Trust): boolean {
  return (
    trustId(above) === trustId(floor) &&
    [...above.may].every((each) => floor.may.has(each)) &&
    (above.tlogistry !== true || floor.tlogistry === true)
  );
}

/**
 * What the floor has against these signers; `isArg` says whether a build argument names them. Whoever trusts fewer
 * signers sees fewer records and takes a moved tag for a new one: so the floor's list stands, and an argument only has
 * to name somebody in it.
 */
export function trustObjection(
  above: readonly Trust[],
  floor: readonly Trust[],
  { isArg }: { readonly isArg: boolean },
): string | undefined {
  const other = above.find(
    (each) => !floor.some((trust) => (isArg ? trustId(each) === trustId(trust) : isWithin(each, trust))),
  );
  if (other === undefined) return undefined;
  return floor.some((trust) => trustId(trust) === trustId(other))
    ? `${shownSigner(other)} may do more than it may among the signers`
    : `${shownSigner(other)} is not among the signers`;
}

function shownSigner({ signer }: Trust): string {
  switch (signer.kind) {
    case "key":
      return `the key "${signer.fingerprint}"`;
    case "identity":
      return `the identity "${signer.identity}" of "${signer.issuer}"`;
    case "identity-pattern":
      return `the pattern "${signer.pattern}" of "${signer.issuer}"`;
  }
}

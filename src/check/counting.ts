// SPDX-License-Identifier: Apache-2.0
import { MAX_LOGGING_DELAY_SECONDS } from "../record/candidate.ts";
import type { Trust, TrustedSigner } from "../record/signer.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";

/**
 * Whose entries count, for a courier that drops the others while they stream: what an entry's key or certificate must be,
 * or have in it.
 */
export interface Counting {
  /** The sha256 of public keys, in hex. */
  keys: string[];
  /** For each identity the texts that all its certificates have in them. */
  names: string[][];
  /** The certificates (DER, base64) of the authorities that issue them. */
  authorities: string[];
  /** How far an entry's time may be from the time of observation in it. */
  maxDelayMs: number;
}

/** The most signers, and authorities, that are named; with more of them all entries are brought. */
const MAX_NAMED = 64;

/** Those whose entries count; undefined when they are too many to be named. */
export function countingOf(trust: readonly Trust[], { material }: TrustedRoot): Counting | undefined {
  const signers = trust.map(({ signer }) => signer);
  const keys = signers.flatMap((signer) =>
    signer.kind === "key" ? [signer.fingerprint.slice("sha256:".length)] : [],
  );
  const names = signers.flatMap((signer) => (signer.kind === "key" ? [] : [textsOf(signer)]));
  const authorities = material.certificateAuthorities.flatMap(({ certChain }) =>
    certChain.map((certificate) => certificate.root.toDER().toString("base64")),
  );
  if ([keys, names, authorities].some(({ length }) => length > MAX_NAMED)) return undefined;
  return { keys, names, authorities, maxDelayMs: MAX_LOGGING_DELAY_SECONDS * 1_000 };
}

function textsOf(signer: Exclude<TrustedSigner, { kind: "key" }>): string[] {
  const { issuer } = signer;
  return signer.kind === "identity"
    ? [issuer, signer.identity]
    : [issuer, ...signer.pattern.split(/\*+/).filter((literal) => literal !== "")];
}

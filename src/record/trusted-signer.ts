// SPDX-License-Identifier: Apache-2.0
import { sha256 } from "../image/digest.ts";
import { identityOf } from "./certificate.ts";
import type { Permission, Signer, Trust, TrustedKey, TrustedSigner } from "./signer.ts";
import { signerName } from "./signer.ts";
import { matchesWhole } from "./wildcards.ts";

/** A key or a certificate as it came: its PEM label and its bytes. */
export interface Verifier {
  readonly label: string;
  readonly der: Uint8Array;
}

/** Somebody who counts, and what for. */
export interface Granted {
  readonly signer: Signer;
  /** All that anybody who fits may do. */
  readonly may: ReadonlySet<Permission>;
  readonly tlogistry: boolean;
}

/** Nobody who counts: who it seems to be, for a message. */
export interface Stranger {
  readonly stranger: string;
}

/**
 * Who signed with this key or certificate, if somebody trusted. That the name in a certificate is true is not said
 * here, nor that anything is signed. A stranger's key is never given to the cryptographic library.
 */
export function findSigner({ label, der }: Verifier, trust: readonly Trust[]): Granted | Stranger {
  switch (label) {
    case "PUBLIC KEY": {
      // By the bytes of the key.
      const fingerprint = sha256(der);
      const fitting = trust.filter(
        ({ signer }) => signer.kind === "key" && signer.fingerprint === fingerprint,
      );
      const key = fitting
        .map(({ signer }) => signer)
        .find((signer): signer is TrustedKey => signer.kind === "key");
      return key === undefined ? { stranger: `the key ${fingerprint}` } : grant(key, fitting);
    }
    case "CERTIFICATE": {
      const named = identityOf(der);
      if (named === undefined) return { stranger: "a certificate that does not name one identity" };
      const signer = { kind: "identity", ...named } as const;
      const fitting = trust.filter((each) => fits(each.signer, named));
      return fitting.length === 0
        ? { stranger: `a certificate of ${signerName(signer)}` }
        : grant(signer, fitting);
    }
    default:
      return { stranger: "something else than a public key or a certificate" };
  }
}

function grant(signer: Signer, fitting: readonly Trust[]): Granted {
  return {
    signer,
    may: new Set(fitting.flatMap(({ may }) => [...may])),
    tlogistry: fitting.some(({ tlogistry }) => tlogistry === true),
  };
}

function fits(signer: TrustedSigner, { issuer, identity }: { issuer: string; identity: string }): boolean {
  switch (signer.kind) {
    case "key":
      return false;
    case "identity":
      return signer.issuer === issuer && signer.identity === identity;
    case "identity-pattern":
      return signer.issuer === issuer && matchesPattern(signer.pattern, identity);
  }
}

/** Whether a pattern stands for the whole of a text: `*` for any run of characters without "/", `**` for any run. */
export function matchesPattern(pattern: string, text: string): boolean {
  return matchesWhole(pattern.match(/\*\*?|[^*]/gu) ?? [], [...text], {
    isRun: (token) => token.startsWith("*"),
    atLeast: 0,
    isMatch: (token, given) => token === given || token === "**" || (token === "*" && given !== "/"),
  });
}

// SPDX-License-Identifier: Apache-2.0
import { logUrl } from "../../log/json-api.ts";
import { SECRET_NAMES } from "../protocol.ts";
import type { CertifiedKeys, KeyKeeping } from "./certified-keys.ts";
import { Failure } from "./failure.ts";
import type { SigningKey } from "./signing-key.ts";
import type { SigningSecret } from "./signing-secret.ts";

/** The payload type of an envelope (DSSE) with an in-toto statement. */
export const PAYLOAD_TYPE = "application/vnd.in-toto+json";

/** A signature, and what verifies it in PEM: the public key (SPKI), or the certificate that stands for it. */
export interface Signed {
  readonly signature: Uint8Array;
  readonly verifier: { readonly publicKey: string } | { readonly certificate: string };
}

export interface Signer {
  sign(bytes: Uint8Array): Promise<Signed>;
}

/** Where a signature is to go. */
export interface Signing {
  readonly log: { readonly url: string; readonly api: 1 | 2 };
  /** The certificate authority, needed to sign with an identity token. */
  readonly fulcio?: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Gives the signer of this process's secrets for all its records: the key, or one with a certificate, which is asked for
 * when there is something to sign. Its `sign` throws Failure, and LogError for a URL that is not asked.
 */
export type SignerFor = (signing: Signing) => Signer;

/** Signs with a key whose public half goes into the log. */
export function keySigner(key: SigningKey): Signer {
  return {
    sign: async (bytes) => ({ signature: key.sign(bytes), verifier: { publicKey: key.publicKey } }),
  };
}

/** What gives the signer of these secrets, at first without any certificate. */
export function signerOf({ key, identity, problem }: SigningSecret, keeping: KeyKeeping): SignerFor {
  let certified: Promise<CertifiedKeys> | undefined;
  const open = async ({ log, fulcio, signal }: Signing): Promise<Signer> => {
    if (key !== undefined) {
      if (log.api === 2 && key.kind !== "P-256") {
        throw new Failure(
          "no-signer",
          `secret "${SECRET_NAMES.key}" is an ${key.kind} key, and the Rekor v2 log ${logUrl(log.url).href} takes P-256 keys; give a P-256 key, or write to a Rekor v1 log`,
        );
      }
      return keySigner(key);
    }
    if (identity !== undefined) {
      if (fulcio === undefined) {
        throw new Failure(
          "no-signer",
          `secret "${SECRET_NAMES.token}" signs with a certificate, and no certificate authority is named; name it as "signing.fulcio" in the policy, or in the signing config`,
        );
      }
      // Loaded only here, because a key signs without it.
      certified ??= import("./certified-keys.ts").then(({ certifiedKeys }) => certifiedKeys(keeping));
      return (await certified).signer({ fulcio: logUrl(fulcio), token: () => identity.token(signal) });
    }
    throw new Failure(
      "no-signer",
      problem ??
        `there is no secret "${SECRET_NAMES.key}" and no "${SECRET_NAMES.token}"; build with --secret id=${SECRET_NAMES.key},src=FILE`,
    );
  };
  return (signing) => ({ sign: async (text) => (await open(signing)).sign(text) });
}

// SPDX-License-Identifier: Apache-2.0
import type { Signer } from "@sigstore/sign";
import { logUrl } from "../../log/json-api.ts";
import type { CertifiedKeys, KeyKeeping } from "./certified-keys.ts";
import { NoSignerError } from "./failure.ts";
import { keySigner } from "./key-signer.ts";
import { SECRET_NAMES } from "../protocol.ts";
import type { SigningSecret } from "./signing-secret.ts";

/** Where a signature is to go. */
export interface Signing {
  readonly log: { readonly url: string; readonly api: 1 | 2 };
  /** The certificate authority, for who signs with an identity token. */
  readonly fulcio?: string | undefined;
  readonly signal: AbortSignal;
}

/** Who signs in this process: what its secrets give, for all its records. */
export interface Signers {
  /**
   * The key, or one with a certificate, which is asked for when there is something to sign. Its `sign` throws
   * NoSignerError, CertificateError and LogError.
   */
  signerFor(signing: Signing): Signer;
}

/** The signers that secrets give, at first without any certificate. */
export function signersOf({ key, identity, problem }: SigningSecret, keeping: KeyKeeping): Signers {
  let certified: Promise<CertifiedKeys> | undefined;
  const open = async ({ log, fulcio, signal }: Signing): Promise<Signer> => {
    if (key !== undefined) {
      if (log.api === 2 && key.kind !== "P-256") {
        throw new NoSignerError(
          `secret "${SECRET_NAMES.key}" is an ${key.kind} key, and the Rekor v2 log ${logUrl(log.url).href} takes P-256 keys; give a P-256 key, or write to a Rekor v1 log`,
        );
      }
      return keySigner(key);
    }
    if (identity !== undefined) {
      if (fulcio === undefined) {
        throw new NoSignerError(
          `secret "${SECRET_NAMES.token}" signs with a certificate, and no certificate authority is named; name it as "signing.fulcio" in the policy, or in the signing config`,
        );
      }
      // Who has a key does not wait for what asks for certificates to load.
      certified ??= import("./certified-keys.ts").then(({ certifiedKeys }) => certifiedKeys(keeping));
      const token = async () => (await identity.token(signal)).token;
      return (await certified).signer({ fulcio: logUrl(fulcio), token });
    }
    throw new NoSignerError(
      problem ??
        `there is no secret "${SECRET_NAMES.key}" and no "${SECRET_NAMES.token}"; build with --secret id=${SECRET_NAMES.key},src=FILE`,
    );
  };
  return {
    signerFor: (signing) => ({ sign: async (text) => (await open(signing)).sign(text) }),
  };
}

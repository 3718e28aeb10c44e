// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "@sigstore/core";
import type { KeyFinderFunc } from "@sigstore/verify";
// The package has no other entry to this step alone.
import { verifyCertificate } from "@sigstore/verify/dist/key/index.js";
import { createPublicKey, type KeyObject } from "node:crypto";
import { reasonOf, refusal } from "./claim.ts";
import { type Signer, signerName } from "./signer.ts";
import type { TrustedRoot } from "./trusted-root.ts";
import type { Verifier } from "./trusted-signer.ts";

/**
 * Proves the name in a certificate: by a chain to a trusted authority that held at a time (`issued`: at the beginning
 * of its own validity, which says that it was issued and not when it was used), and by a certificate log. Logs do not
 * look at it, so that anybody can log an entry whose certificate names whom they like. Returns the key that signs. Keys
 * need no such proof. Throws RecordError ("bad-certificate").
 */
export function proveCertificate(
  {
    place,
    signer,
    verifier,
  }: { readonly place: string; readonly signer: Signer; readonly verifier: Verifier },
  at: Date | "issued",
  { material, source }: TrustedRoot,
): KeyObject {
  if (signer.kind === "key") return signer.publicKey;
  const fail = (why: string, cause?: unknown) =>
    refusal(
      place,
      "bad-certificate",
      `its certificate of ${signerName(signer)} does not hold: ${why}`,
      cause,
    );
  const publicKey: KeyFinderFunc = () => {
    throw fail("it is a key");
  };
  let scts: number;
  let key: KeyObject;
  try {
    const certificate = X509Certificate.parse(Buffer.from(verifier.der));
    const time = at === "issued" ? certificate.notBefore : at;
    scts = verifyCertificate(certificate, [time], { ...material, publicKey }).scts.length;
    key = createPublicKey({ key: certificate.publicKey, format: "der", type: "spki" });
  } catch (cause) {
    throw fail(`${reasonOf(cause)}, by the trusted root "${source}"`, cause);
  }
  if (scts === 0) throw fail("it has no proof of being in a certificate log (SCT)");
  return key;
}

// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "@sigstore/core";
import type { KeyFinderFunc } from "@sigstore/verify";
// The package has no other entry to this step alone.
import { verifyCertificate } from "@sigstore/verify/dist/key/index.js";
import type { KeyObject } from "node:crypto";
import { reasonOf, refusal } from "./claim.ts";
import { type Signer, signerName } from "./signer.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";
import type { Verifier } from "./trusted-signer.ts";

/**
 * Proves the name in a certificate: by a chain to a trusted authority that held at all of these times (`issued`: at the
 * beginning of its own validity, which says that it was issued and not when it was used), and by a certificate log. Logs
 * do not look at it, so that anybody can log an entry whose certificate names whom they like. Returns the key that
 * signs. Keys need no such proof. Throws RecordError ("bad-certificate").
 */
export function proveCertificate(
  {
    place,
    signer,
    verifier,
  }: { readonly place: string; readonly signer: Signer; readonly verifier: Verifier },
  at: readonly Date[] | "issued",
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
  let proven: ReturnType<typeof verifyCertificate>;
  try {
    const certificate = X509Certificate.parse(Buffer.from(verifier.der));
    const times = at === "issued" ? [certificate.notBefore] : [...at];
    proven = verifyCertificate(certificate, times, { ...material, publicKey });
  } catch (cause) {
    throw fail(`${reasonOf(cause)}, by the trusted root "${source}"`, cause);
  }
  if (proven.scts.length === 0) throw fail("it has no proof of being in a certificate log (SCT)");
  // The library does not read user names (otherName) and says then that there is none.
  const { subjectAlternativeName = signer.identity, extensions } = proven.signer.identity ?? {};
  if (subjectAlternativeName !== signer.identity || extensions?.issuer !== signer.issuer)
    throw fail("it names somebody else when it is verified");
  return proven.signer.key;
}

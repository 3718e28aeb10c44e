// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "@sigstore/core";
import { FulcioSigner, type Signer } from "@sigstore/sign";
import { createPublicKey, verify, type KeyObject } from "node:crypto";
import { excerpt } from "../log/excerpt.ts";
import { CertificateError } from "./failure.ts";
import { HttpError, shownUrl } from "./http.ts";

/** Where certificates come from, and for whom. */
export interface CertificateRequest {
  /** As `logUrl` gives it. */
  readonly fulcio: URL;
  /** The identity token. It is shown to nobody but the authority. */
  readonly token: string;
  /** The time there is for a certificate, in milliseconds. */
  readonly deadlineMs: number;
}

const MAX_CERTIFICATE_LENGTH = 16 * 1024;
/** So many characters of a token in a row are not said by chance. */
const TELLING = 12;

/**
 * Signs each text with a new P-256 key that is then forgotten, and brings the certificate that Fulcio gave for it.
 * What would count for nobody is found out here, before it is in a log for ever. Throws CertificateError.
 */
export function certificateSigner({ fulcio, token, deadlineMs }: CertificateRequest): Signer {
  const what = `POST ${shownUrl(new URL("api/v2/signingCert", fulcio))}`;
  const signer = new FulcioSigner({
    fulcioBaseURL: fulcio.href.replace(/\/$/, ""),
    identityProvider: { getToken: async () => token },
    timeout: deadlineMs,
  });
  return {
    async sign(text) {
      const signed = await signer.sign(text).catch((error: unknown) => {
        throw refusal(error, what, token);
      });
      // The types promise a certificate; what the authority answered may have none.
      const certificate: unknown =
        signed.key.$case === "x509Certificate" ? signed.key.certificate : undefined;
      checkCertificate(certificate, { text, signature: signed.signature, what });
      return signed;
    },
  };
}

function checkCertificate(
  pem: unknown,
  { text, signature, what }: { readonly text: Buffer; readonly signature: Buffer; readonly what: string },
): void {
  const bad = (why: string) => new CertificateError("bad-answer", `${what}: the authority answered ${why}`);
  const read =
    typeof pem === "string" && pem.length <= MAX_CERTIFICATE_LENGTH ? readCertificate(pem) : undefined;
  if (read === undefined) throw bad("no certificate");
  if (!verify("sha256", text, read.publicKey, signature))
    throw bad("with a certificate for another key than ours");
  if (read.proofs === 0) {
    throw bad(
      "with a certificate without proof of being in a certificate log (SCT); records signed with it would count for nobody",
    );
  }
}

function readCertificate(
  pem: string,
): { readonly publicKey: KeyObject; readonly proofs: number } | undefined {
  try {
    const { publicKey, extSCT } = X509Certificate.parse(pem);
    return {
      publicKey: createPublicKey({ key: publicKey, format: "der", type: "spki" }),
      proofs: extSCT?.signedCertificateTimestamps.length ?? 0,
    };
  } catch {
    return undefined;
  }
}

/** The package's own messages hold the token, so none of them is passed on. */
function refusal(error: unknown, what: string, token: string): CertificateError {
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  if (cause instanceof HttpError) {
    return new CertificateError(cause.code === "too-large" ? "bad-answer" : "unreachable", cause.message, {
      cause,
    });
  }
  if (cause instanceof Error && "statusCode" in cause && typeof cause.statusCode === "number") {
    const status = cause.statusCode;
    const code = status === 429 || status >= 500 ? "unreachable" : status >= 400 ? "refused" : "bad-answer";
    const said = repeats(cause.message, token) ? `status ${status}` : `"${excerpt(cause.message, 300)}"`;
    const advice =
      code === "refused"
        ? "; it must know the token's issuer, and the token must be as the issuer made it"
        : "";
    return new CertificateError(code, `${what}: the certificate authority answered ${said}${advice}`);
  }
  return new CertificateError("bad-answer", `${what}: the answer is not a certificate`);
}

/** Whether a text has a piece of the secret in it. */
function repeats(text: string, secret: string): boolean {
  const start = text.slice(0, 4_096);
  for (let at = 0; at + TELLING <= start.length; at++) {
    if (secret.includes(start.slice(at, at + TELLING))) return true;
  }
  return false;
}

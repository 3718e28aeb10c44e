// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "@sigstore/core";
import { FulcioSigner, type Signer } from "@sigstore/sign";
import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { excerpt } from "../../log/excerpt.ts";
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

/** A key that was made for this process, and its certificate. Its private half is in `signer` alone. */
export interface CertifiedKey {
  readonly signer: Signer;
  /** How long the certificate is good from when it was made, by its own word. */
  readonly lifetimeMs: number;
  readonly notAfter: Date;
}

/**
 * Makes a P-256 key and has it certified by Fulcio. What would count for nobody is found out here, before it is in a log
 * for ever. Throws CertificateError.
 */
export async function certifyNewKey({
  fulcio,
  token,
  deadlineMs,
}: CertificateRequest): Promise<CertifiedKey> {
  const what = `POST ${shownUrl(new URL("api/v2/signingCert", fulcio))}`;
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKeyPem = publicKey.export({ type: "spki", format: "pem" }).toString();
  const keyHolder: Signer = {
    sign: async (text) => ({
      signature: sign("sha256", text, privateKey),
      key: { $case: "publicKey", publicKey: publicKeyPem },
    }),
  };
  const authority = new FulcioSigner({
    fulcioBaseURL: fulcio.href.replace(/\/$/, ""),
    identityProvider: { getToken: async () => token },
    keyHolder,
    timeout: deadlineMs,
  });
  // It asks for a certificate before each signature, so it signs once, and nothing; the key signs the rest.
  const { key } = await authority.sign(Buffer.alloc(0)).catch((error: unknown) => {
    throw refusal(error, what, token);
  });
  // The types promise a certificate; what the authority answered may have none.
  const answered: unknown = key.$case === "x509Certificate" ? key.certificate : undefined;
  const { pem, notBefore, notAfter } = checkCertificate(answered, { publicKey, what });
  return {
    signer: {
      sign: async (text) => ({
        signature: sign("sha256", text, privateKey),
        key: { $case: "x509Certificate", certificate: pem },
      }),
    },
    lifetimeMs: notAfter.getTime() - notBefore.getTime(),
    notAfter,
  };
}

interface ReadCertificate {
  readonly pem: string;
  readonly publicKey: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** The number of signed certificate timestamps. */
  readonly proofs: number;
}

function checkCertificate(
  pem: unknown,
  { publicKey, what }: { readonly publicKey: KeyObject; readonly what: string },
): ReadCertificate {
  const bad = (why: string) => new CertificateError("bad-answer", `${what}: the authority answered ${why}`);
  const read =
    typeof pem === "string" && pem.length <= MAX_CERTIFICATE_LENGTH ? readCertificate(pem) : undefined;
  if (read === undefined) throw bad("no certificate");
  if (!read.publicKey.equals(publicKey)) throw bad("with a certificate for another key than ours");
  if (read.proofs === 0) {
    throw bad(
      "with a certificate without proof of being in a certificate log (SCT); records signed with it would count for nobody",
    );
  }
  return read;
}

function readCertificate(pem: string): ReadCertificate | undefined {
  try {
    const certificate = X509Certificate.parse(pem);
    const { publicKey, extSCT, notBefore, notAfter } = certificate;
    return {
      pem,
      publicKey: createPublicKey({ key: publicKey, format: "der", type: "spki" }),
      notBefore,
      notAfter,
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

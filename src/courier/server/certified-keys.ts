// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "@sigstore/core";
import { FulcioSigner, type Signer } from "@sigstore/sign";
import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { excerpt } from "../../log/excerpt.ts";
import { failureByStatus } from "../../log/json-api.ts";
import { Failure } from "./failure.ts";
import { HttpError, shownUrl } from "./http.ts";

/** Which authority certifies, and by which token. */
export interface CertifiedSigner {
  /** As `logUrl` gives it. */
  readonly fulcio: URL;
  /** A token that is good now; asked for only when a new certificate is needed. */
  readonly token: () => Promise<string>;
}

/** Keys of this process that an authority has certified. They live in its memory only. */
export interface CertifiedKeys {
  /** Signs with a certificate that is good for another minute at least. Throws Failure, and what `token` throws. */
  signer(request: CertifiedSigner): Promise<Signer>;
}

/** What a certificate must still be good for: the signature, its timestamp and the log's answer. */
const SPARE_MS = 60_000;
const MAX_CERTIFICATE_LENGTH = 16 * 1024;
/** So many characters of a token in a row are not said by chance. */
const TELLING = 12;

/** What keeping certificates takes from outside. */
export interface KeyKeeping {
  readonly now: () => Date;
  /** Milliseconds since some moment, counted on whatever becomes of the clock. */
  readonly elapsedMs: () => number;
  /** The time there is for a certificate, in milliseconds. */
  readonly deadlineMs: number;
}

/** A key that was made for this process, and its certificate. Its private half is in `signer` alone. */
interface CertifiedKey {
  readonly signer: Signer;
  /** How long the certificate is good from when it was made, by its own word. */
  readonly lifetimeMs: number;
  readonly notAfter: Date;
}

interface KeptKey extends CertifiedKey {
  readonly askedAt: number;
}

/** One certificate for all records of a build, and a new one when it ends; requests at once share a pending one. */
export function certifiedKeys({ now, elapsedMs, deadlineMs }: KeyKeeping): CertifiedKeys {
  const keys = new Map<string, Promise<KeptKey>>();
  const isGood = ({ askedAt, lifetimeMs, notAfter }: KeptKey) => {
    // By the time that has passed as well: this machine's clock may be an hour behind the authority's.
    const left = Math.min(lifetimeMs - (elapsedMs() - askedAt), notAfter.getTime() - now().getTime());
    return left >= SPARE_MS;
  };
  return {
    async signer({ fulcio, token }) {
      const current = keys.get(fulcio.href);
      if (current !== undefined) {
        const key = await current;
        if (isGood(key)) return key.signer;
        // Somebody else may have seen that too, and asked for a new one.
        if (keys.get(fulcio.href) === current) keys.delete(fulcio.href);
      }
      const pending = keys.get(fulcio.href) ?? certify({ fulcio, token });
      return (await pending).signer;
    },
  };

  async function certified({ fulcio, token }: CertifiedSigner): Promise<KeptKey> {
    const text = await token();
    const askedAt = elapsedMs();
    return { askedAt, ...(await certifyNewKey({ fulcio, token: text, deadlineMs })) };
  }

  function certify(request: CertifiedSigner): Promise<KeptKey> {
    const { fulcio } = request;
    const pending = certified(request);
    keys.set(fulcio.href, pending);
    pending.catch(() => {
      if (keys.get(fulcio.href) === pending) keys.delete(fulcio.href);
    });
    return pending;
  }
}

/**
 * Makes a P-256 key and has it certified by Fulcio. What would count for nobody is found out here, before it is in a log
 * for ever. Throws Failure.
 */
async function certifyNewKey({
  fulcio,
  token,
  deadlineMs,
}: {
  readonly fulcio: URL;
  /** The identity token. It is shown to nobody but the authority. */
  readonly token: string;
  readonly deadlineMs: number;
}): Promise<CertifiedKey> {
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
  const bad = (why: string) => new Failure("bad-answer", `${what}: the authority answered ${why}`);
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
function refusal(error: unknown, what: string, token: string): Failure {
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  if (cause instanceof HttpError) return cause;
  if (cause instanceof Error && "statusCode" in cause && typeof cause.statusCode === "number") {
    const status = cause.statusCode;
    const code = failureByStatus(status);
    const said = repeats(cause.message, token) ? `status ${status}` : `"${excerpt(cause.message, 300)}"`;
    const advice =
      code === "refused"
        ? "; it must know the token's issuer, and the token must be as the issuer made it"
        : "";
    return new Failure(code, `${what}: the certificate authority answered ${said}${advice}`);
  }
  return new Failure("bad-answer", `${what}: the answer is not a certificate`);
}

/** Whether a text has a piece of the secret in it. */
function repeats(text: string, secret: string): boolean {
  const start = text.slice(0, 4_096);
  for (let at = 0; at + TELLING <= start.length; at++) {
    if (secret.includes(start.slice(at, at + TELLING))) return true;
  }
  return false;
}

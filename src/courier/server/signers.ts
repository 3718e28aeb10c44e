// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "@sigstore/core";
import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { excerpt } from "../../log/excerpt.ts";
import { failureByStatus, logUrl } from "../../log/json-api.ts";
import { SECRET_NAMES } from "../protocol.ts";
import { Failure } from "./failure.ts";
import { sendHttp, shownUrl } from "./http.ts";
import type { IdentityToken } from "./identity-token.ts";
import { fieldsIn, fieldsOf } from "./json-fields.ts";
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
  const certified = certifiedSigners(keeping);
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
      return certified({ fulcio: logUrl(fulcio), token: () => identity.token(signal) });
    }
    throw new Failure(
      "no-signer",
      problem ??
        `there is no secret "${SECRET_NAMES.key}" and no "${SECRET_NAMES.token}"; build with --secret id=${SECRET_NAMES.key},src=FILE`,
    );
  };
  return (signing) => ({ sign: async (text) => (await open(signing)).sign(text) });
}

/** The authority that certifies, and the token for it. */
export interface CertifiedSigner {
  /** As `logUrl` gives it. */
  readonly fulcio: URL;
  /** A token that is good now; asked for only when a new certificate is needed. */
  readonly token: () => Promise<IdentityToken>;
}

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
  readonly askedAt: number;
}

/** What a certificate must still be good for: the signature, its timestamp and the log's answer. */
const SPARE_MS = 60_000;
const MAX_ANSWER_BYTES = 256 * 1024;
const MAX_CERTIFICATE_LENGTH = 16 * 1024;
/** So many characters of a token in a row are not said by chance. */
const TELLING = 12;

/**
 * Gives signers whose keys an authority has certified for another minute at least; the keys live in the memory of this process
 * only. One certificate serves all records of a build, until it ends; requests at once share a pending one. Throws
 * Failure, and what `token` throws.
 */
export function certifiedSigners({
  now,
  elapsedMs,
  deadlineMs,
}: KeyKeeping): (request: CertifiedSigner) => Promise<Signer> {
  const keys = new Map<string, Promise<CertifiedKey>>();
  const isGood = ({ askedAt, lifetimeMs, notAfter }: CertifiedKey) => {
    // By the time that has passed as well: this machine's clock may be an hour behind the authority's.
    const left = Math.min(lifetimeMs - (elapsedMs() - askedAt), notAfter.getTime() - now().getTime());
    return left >= SPARE_MS;
  };
  const certified = async ({ fulcio, token }: CertifiedSigner): Promise<CertifiedKey> => {
    const identity = await token();
    const askedAt = elapsedMs();
    return { askedAt, ...(await certifyNewKey(fulcio, identity, AbortSignal.timeout(deadlineMs))) };
  };
  return async (request) => {
    const { href } = request.fulcio;
    const current = keys.get(href);
    if (current !== undefined) {
      const key = await current;
      if (isGood(key)) return key.signer;
      // Another request may have seen that too, and asked for a new one.
      if (keys.get(href) === current) keys.delete(href);
    }
    const pending = keys.get(href) ?? certified(request);
    keys.set(href, pending);
    pending.catch(() => {
      if (keys.get(href) === pending) keys.delete(href);
    });
    return (await pending).signer;
  };
}

/**
 * Makes a P-256 key and has it certified by Fulcio. A certificate that would count for nobody is refused here, before a
 * record with it is in a log for ever. Throws Failure.
 */
async function certifyNewKey(
  fulcio: URL,
  identity: IdentityToken,
  signal: AbortSignal,
): Promise<Omit<CertifiedKey, "askedAt">> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const url = new URL("api/v2/signingCert", fulcio);
  const proof = sign("sha256", Buffer.from(identity.subject), privateKey);
  const answer = await sendHttp({
    method: "POST",
    url,
    headers: { accept: "application/json", "content-type": "application/json" },
    body: JSON.stringify({
      credentials: { oidcIdentityToken: identity.token },
      publicKeyRequest: {
        publicKey: { algorithm: "ECDSA", content: publicKey.export({ type: "spki", format: "pem" }) },
        proofOfPossession: proof.toString("base64"),
      },
    }),
    maxBytes: MAX_ANSWER_BYTES,
    signal,
    // Of two certificates the first is lost, and nothing else.
    attempts: 3,
  });
  const what = `POST ${shownUrl(url)}`;
  if (answer.status < 200 || answer.status >= 300) throw refusal(answer, what, identity.token);
  const { pem, notBefore, notAfter } = checkCertificate(certificateIn(answer.bytes, what), {
    publicKey,
    what,
  });
  return {
    signer: {
      sign: async (text) => ({
        signature: sign("sha256", text, privateKey),
        verifier: { certificate: pem },
      }),
    },
    lifetimeMs: notAfter.getTime() - notBefore.getTime(),
    notAfter,
  };
}

/** The first certificate of the chain, which may be anything. The answer is never shown: it may hold the token. */
function certificateIn(bytes: Buffer, what: string): unknown {
  const answer = fieldsIn(bytes);
  const { chain } = fieldsOf(
    answer["signedCertificateEmbeddedSct"] ?? answer["signedCertificateDetachedSct"],
  );
  const { certificates } = fieldsOf(chain);
  if (Array.isArray(certificates)) return certificates[0] as unknown;
  throw new Failure("bad-answer", `${what}: the answer is not a certificate`);
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

function refusal(
  { status, bytes }: { readonly status: number; readonly bytes: Buffer },
  what: string,
  token: string,
): Failure {
  const code = failureByStatus(status);
  const text = bytes.toString("utf8");
  const said = bytes.length === 0 || repeats(text, token) ? "" : `, "${excerpt(text, 300)}"`;
  const advice =
    code === "refused"
      ? "; it must know the token's issuer, and the token must be as the issuer made it"
      : "";
  return new Failure(code, `${what}: the certificate authority answered status ${status}${said}${advice}`);
}

/** Whether a text has a piece of the secret in it. */
function repeats(text: string, secret: string): boolean {
  const start = text.slice(0, 4_096);
  for (let at = 0; at + TELLING <= start.length; at++) {
    if (secret.includes(start.slice(at, at + TELLING))) return true;
  }
  return false;
}

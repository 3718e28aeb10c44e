// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "@sigstore/core";
import { sha256 } from "../image/digest.ts";
import { TrustError } from "../trust/error.ts";
import {
  type Identity,
  parsePublicKey,
  type Permission,
  type Signer,
  signerName,
  type Trust,
  type TrustedKey,
  type TrustedSigner,
} from "./signer.ts";
import { matchesWhole } from "./wildcards.ts";

// https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md
const ISSUER_V1 = "1.3.6.1.4.1.57264.1.1";
const ISSUER_V2 = "1.3.6.1.4.1.57264.1.8";
const UTF8_STRING = 0x0c;
const SUBJECT_ALTERNATIVE_NAME = "2.5.29.17";
const OTHER_NAME = 0x00;
type Asn1 = X509Certificate["tbsCertificate"];
const EMAIL = 0x01;
const URI = 0x06;
/** What an `otherName` of Fulcio's is: a user name, `alice!acme.example`. */
const USER_NAME = "1.3.6.1.4.1.57264.1.7";
/** Fulcio's certificates have less than 2 KiB; neither OpenSSL nor the parser should work on larger ones. */
const MAX_CERTIFICATE_BYTES = 8 * 1024;

/** A key or a certificate as it came: its PEM label and its bytes. */
export interface Verifier {
  readonly label: string;
  readonly der: Uint8Array;
}

/** A signer who counts, and what for. */
export interface Granted {
  readonly signer: Signer;
  /** All that the policy's fitting entries allow. */
  readonly may: ReadonlySet<Permission>;
  readonly tlogistry: boolean;
}

/** A signer who does not count; the text says who it seems to be, for a message. */
export interface Stranger {
  readonly stranger: string;
}

/**
 * Finds the trusted signer whose key or certificate this is. Proves neither the name in a certificate nor any signature.
 * A stranger's key is not given to the cryptographic library.
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

/** The signer whose key or certificate this is, whoever it is; it may do nothing. Proves no more than `findSigner`. */
export function anySigner(verifier: Verifier): Granted | Stranger {
  const { label, der } = verifier;
  if (label !== "PUBLIC KEY") {
    const named = label === "CERTIFICATE" ? identityOf(der) : undefined;
    return named === undefined ? findSigner(verifier, []) : grant({ kind: "identity", ...named }, []);
  }
  try {
    const text = Buffer.from(der).toString("base64");
    return grant(parsePublicKey(`-----BEGIN PUBLIC KEY-----\n${text}\n-----END PUBLIC KEY-----\n`), []);
  } catch (error) {
    if (error instanceof TrustError) return findSigner(verifier, []);
    throw error;
  }
}

function grant(signer: Signer, fitting: readonly Trust[]): Granted {
  return {
    signer,
    may: new Set(fitting.flatMap(({ may }) => [...may])),
    tlogistry: fitting.some(({ tlogistry }) => tlogistry === true),
  };
}

/** Whether the signer of something is this one who is trusted, or one of those whom a trusted pattern fits. */
export function isSigner(signer: Signer, trusted: TrustedSigner): boolean {
  if (signer.kind === "key") return trusted.kind === "key" && trusted.fingerprint === signer.fingerprint;
  return fits(trusted, signer);
}

function fits(signer: TrustedSigner, { issuer, identity }: Identity): boolean {
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

/**
 * The identity in a certificate (DER), as Fulcio writes it: one name (an email address, a URI or a user name) and the
 * issuer in an extension. Undefined when there is not exactly one. Nothing of it is proven: anybody can make a certificate
 * that names anybody.
 */
export function identityOf(der: Uint8Array): Identity | undefined {
  if (der.length > MAX_CERTIFICATE_BYTES) return undefined;
  try {
    const certificate = X509Certificate.parse(Buffer.from(der));
    const issuer = issuerOf(certificate);
    const identity = subjectOf(certificate);
    return issuer === undefined || identity === undefined ? undefined : { issuer, identity };
  } catch {
    // The parser throws whatever it stumbles over.
    return undefined;
  }
}

/** The issuer in the newer extension, else in the older one; undefined when the two say different things. */
function issuerOf(certificate: X509Certificate): string | undefined {
  const extension = certificate.extension(ISSUER_V2);
  // The newer is a DER string in the extension's value, the older the bare text.
  const [text, ...others] = extension?.valueObj.subs ?? [];
  const newer = others.length === 0 ? text?.value : undefined;
  const older = certificate.extension(ISSUER_V1)?.value;
  if (extension === undefined) return exactText(older);
  if (newer === undefined || (older !== undefined && !older.equals(newer))) return undefined;
  return exactText(newer);
}

function subjectOf(certificate: X509Certificate): string | undefined {
  if (
    certificate.extensions.filter(({ subs }) => subs[0]?.toOID() === SUBJECT_ALTERNATIVE_NAME).length !== 1
  ) {
    return undefined;
  }
  const [names, ...more] = certificate.extSubjectAltName?.valueObj.subs ?? [];
  const [name, ...others] = names?.subs ?? [];
  if (name === undefined || more.length > 0 || others.length > 0) return undefined;
  if (name.tag.isContextSpecific(OTHER_NAME)) return userNameIn(name);
  return name.tag.isContextSpecific(EMAIL) || name.tag.isContextSpecific(URI)
    ? exactText(name.value)
    : undefined;
}

/** The text of an `otherName`: its kind, then the text in UTF-8 behind a tag of its own (RFC 5280, 4.2.1.6). */
function userNameIn({ subs }: Asn1): string | undefined {
  const [kind, explicit, ...more] = subs;
  const [text, ...others] = explicit?.subs ?? [];
  if (kind === undefined || text === undefined || more.length > 0 || others.length > 0) return undefined;
  if (kind.toOID() !== USER_NAME || explicit?.tag.isContextSpecific(0) !== true) return undefined;
  if (!text.tag.isUniversal() || text.tag.number !== UTF8_STRING) return undefined;
  const name = exactText(text.value);
  // A user name must not be taken for the email address that is spelled like it.
  return name !== undefined && /^[^!@]+![^!@]+$/.test(name) ? name : undefined;
}

/** Printable ASCII and nothing else: a reader that drops the eighth bit would take another name for this one. */
function exactText(bytes: Uint8Array | undefined): string | undefined {
  const text = Buffer.from(bytes ?? []).toString("latin1");
  return /^[\x21-\x7e]+$/.test(text) ? text : undefined;
}

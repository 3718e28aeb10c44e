// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, type KeyObject } from "node:crypto";
import { type Sha256, sha256 } from "../image/digest.ts";
import { excerpt } from "../log/excerpt.ts";
import { TrustError } from "../trust/error.ts";

/** A public key whose sightings count. */
export interface TrustedKey {
  readonly kind: "key";
  readonly publicKey: KeyObject;
  /** The sha256 of the key's SPKI in DER, with its point uncompressed: how logs store it. */
  readonly fingerprint: Sha256;
}

/** An identity that certificates name. */
export interface Identity {
  /** The OpenID Connect issuer that vouches for the identity, a URL. */
  readonly issuer: string;
  /** The certificates' subject: an email address, a URI, or a user name (`alice!acme.example`). */
  readonly identity: string;
}

/** An identity whose sightings count by the certificates that an authority (Fulcio) issues for it. Both are compared whole. */
export interface TrustedIdentity extends Identity {
  readonly kind: "identity";
}

/** All identities of one issuer that fit a pattern. */
export interface TrustedPattern {
  readonly kind: "identity-pattern";
  /** Compared whole, as that of an identity. */
  readonly issuer: string;
  /** `*` stands for any run of characters without "/", `**` for any run; all else for itself, from start to end. */
  readonly pattern: string;
}

/** Whose sightings count. */
export type TrustedSigner = TrustedKey | TrustedIdentity | TrustedPattern;

/** The signer of something. */
export type Signer = TrustedKey | TrustedIdentity;

/**
 * What a signer's sightings can do: `record` what a tag names first, `approve` that it names something else now, `vouch`
 * for an image that is younger than the policy's minimum age.
 */
export type Permission = "record" | "approve" | "vouch";

/** A signer and what the policy trusts it with. */
export interface Trust {
  readonly signer: TrustedSigner;
  readonly may: ReadonlySet<Permission>;
  /** Whether the entries count, too, that tlogistry wrote in this identity's name: weaker evidence, without a signature. */
  readonly tlogistry?: boolean;
}

/** A text that is the same for the same signer, and for no other. */
export function signerId(signer: TrustedSigner): string {
  switch (signer.kind) {
    case "key":
      return signer.fingerprint;
    case "identity":
      return JSON.stringify([signer.issuer, signer.identity]);
    case "identity-pattern":
      return JSON.stringify([signer.issuer, signer.pattern, "pattern"]);
  }
}

const MAX_PEM_LENGTH = 8 * 1024;
const MAX_CHAIN_LENGTH = 32 * 1024;
const MAX_CHAIN_CERTIFICATES = 8;
const MAX_IDENTITY_LENGTH = 2048;
const MAX_WILDCARDS = 16;
const PEM = /^\s*-----BEGIN ([A-Z0-9 ]{1,64})-----\r?\n([A-Za-z0-9+/=\s]+)-----END \1-----\s*$/;

/** A single PEM block: its label and its bytes; undefined when the text is not exactly one (RFC 7468). */
export function readPem(text: string): { readonly label: string; readonly der: Uint8Array } | undefined {
  if (text.length > MAX_PEM_LENGTH) return undefined;
  const [, label, body] = PEM.exec(text) ?? [];
  if (label === undefined || body === undefined) return undefined;
  const base64 = body.replace(/\s+/g, "");
  const der = Buffer.from(base64, "base64");
  return der.toString("base64") === base64 ? { label, der } : undefined;
}

/**
 * The PEM of a logged entry's signer: a single block, or a certificate and the chain above it, of which only the
 * first, the signer's own, is given. Undefined when the text is neither.
 */
export function readSignerPem(text: string): ReturnType<typeof readPem> {
  if (text.length > MAX_CHAIN_LENGTH) return undefined;
  const [leaf = "", ...chain] = text.trim().split(/(?<=-----END CERTIFICATE-----)\s+/);
  if (chain.length >= MAX_CHAIN_CERTIFICATES) return undefined;
  return chain.every((each) => readPem(each)?.label === "CERTIFICATE") ? readPem(leaf) : undefined;
}

function nameKind(key: KeyObject): string {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  const detail = modulusLength === undefined ? namedCurve : `${modulusLength} bit`;
  return `${key.asymmetricKeyType ?? "unknown"}${detail === undefined ? "" : ` (${detail})`}`;
}

/**
 * Whether records can be signed with such a key: ECDSA on P-256 with sha256, or Ed25519. Only these two are
 * signed, logged and verified with the same hash by every tool; a record in another would stay unreadable to some.
 */
function isFit(key: KeyObject): boolean {
  return (
    key.asymmetricKeyType === "ed25519" ||
    (key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1")
  );
}

function decode(der: Uint8Array): KeyObject {
  try {
    const key = createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
    // By way of JWK, so that a key given with a compressed point has the same bytes as everywhere else.
    return isFit(key) ? createPublicKey({ key: key.export({ format: "jwk" }), format: "jwk" }) : key;
  } catch (cause) {
    throw new TrustError("not-a-key", "read a public key: the PEM block holds none that can be decoded", {
      cause,
    });
  }
}

/**
 * Reads a public key to trust: one PEM block `PUBLIC KEY` (SPKI), P-256 or Ed25519.
 * Throws TrustError: "not-a-key", or "unfit-key" for RSA and other curves. What was given is never repeated in the
 * message, since it may be the private key by mistake.
 */
export function parsePublicKey(pem: string): TrustedKey {
  const block = readPem(pem);
  if (block === undefined) {
    throw new TrustError(
      "not-a-key",
      'read a public key: it is not one PEM block, which begins with "-----BEGIN PUBLIC KEY-----"',
    );
  }
  const { label, der } = block;
  if (label.endsWith("PRIVATE KEY")) {
    throw new TrustError(
      "not-a-key",
      'read a public key: this is a private key; keep it secret and give its public half ("openssl pkey -pubout")',
    );
  }
  if (label === "RSA PUBLIC KEY") throw unfit("rsa");
  if (label !== "PUBLIC KEY") {
    throw new TrustError(
      "not-a-key",
      `read a public key: the PEM block is a "${excerpt(label)}", not a "PUBLIC KEY"`,
    );
  }
  const publicKey = decode(der);
  if (!isFit(publicKey)) throw unfit(nameKind(publicKey));
  return {
    kind: "key",
    publicKey,
    fingerprint: sha256(publicKey.export({ format: "der", type: "spki" })),
  };
}

function unfit(kind: string): TrustError {
  return new TrustError(
    "unfit-key",
    `read a public key: records are not signed with a key of kind ${kind}; use a P-256 key ("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256") or Ed25519`,
  );
}

/**
 * Reads an identity to trust, as it stands in certificates. Throws TrustError ("not-an-identity") for what no
 * certificate has: an identity that never matches would be one that somebody relies on.
 */
export function parseIdentity({ issuer, identity }: Identity): TrustedIdentity {
  checkName("identity", identity);
  if (identity.includes("*"))
    throw wrong(`the identity "${excerpt(identity)}" has a "*", but it is compared as a whole; write it out`);
  checkIssuer(issuer);
  return { kind: "identity", issuer, identity };
}

/** Reads a pattern of identities to trust. Throws TrustError ("not-an-identity"). */
export function parseIdentityPattern({ issuer, pattern }: Omit<TrustedPattern, "kind">): TrustedPattern {
  checkName("pattern", pattern);
  const wildcards = pattern.match(/\*+/g) ?? [];
  if (wildcards.length === 0)
    throw wrong(`the pattern "${excerpt(pattern)}" has no "*"; it is one identity, so name it as one`);
  if (wildcards.length > MAX_WILDCARDS)
    throw wrong(`the pattern "${excerpt(pattern)}" has more than ${MAX_WILDCARDS} times a "*"`);
  if (wildcards.some((each) => each.length > 2))
    throw wrong(`the pattern "${excerpt(pattern)}" has three "*" in a row; "**" stands for anything`);
  checkIssuer(issuer);
  return { kind: "identity-pattern", issuer, pattern };
}

function wrong(why: string): TrustError {
  return new TrustError("not-an-identity", why);
}

function checkIssuer(issuer: string): void {
  checkName("issuer", issuer);
  if (issuer.includes("*"))
    throw wrong(`the issuer "${excerpt(issuer)}" has a "*", but it is compared as a whole; write it out`);
  if (!/^https?:\/\/./.test(issuer))
    throw wrong(`the issuer "${excerpt(issuer)}" is not a URL; certificates name it with its "https://"`);
}

function checkName(what: string, text: string): void {
  if (text === "") throw wrong(`the ${what} is empty`);
  if (text.length > MAX_IDENTITY_LENGTH)
    throw wrong(`the ${what} is longer than ${MAX_IDENTITY_LENGTH} characters`);
  if (!/^[\x21-\x7e]+$/.test(text)) throw wrong(`the ${what} "${excerpt(text)}" has blanks, or is not ASCII`);
}

/** A signer in a few characters, for people: `key sha256:ab12cd34ef56…`, `ci@acme.example (accounts.google.com)`. */
export function signerName(
  signer: { readonly kind: "key"; readonly fingerprint: string } | TrustedIdentity | TrustedPattern,
): string {
  switch (signer.kind) {
    case "key":
      return `key ${signer.fingerprint.slice(0, "sha256:".length + 12)}…`;
    case "identity":
      return named(signer.identity, signer.issuer);
    case "identity-pattern":
      return named(signer.pattern, signer.issuer);
  }
}

function named(identity: string, issuer: string): string {
  return `${excerpt(identity, 300)} (${excerpt(issuer.replace(/^https:\/\//, ""), 300)})`;
}

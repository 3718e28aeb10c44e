// SPDX-License-Identifier: Apache-2.0
import { certificateSubject, type ClaimedIdentity, type Claims } from "./certificate-subject.ts";

/** An OpenID Connect identity token (a JWT) that looks usable. Its signature is the certificate authority's to check. */
export interface IdentityToken {
  readonly token: string;
  /** Whom a certificate for it should name. */
  readonly claims: ClaimedIdentity;
  readonly expires: Date;
}

/** Why a text is no token to sign with. The message tells what to do and shows nothing of the text. */
export class IdentityTokenError extends Error {
  override readonly name = "IdentityTokenError";
  readonly code:
    | "empty"
    | "too-large"
    | "not-jwt"
    | "expired"
    | "wrong-audience"
    | "unverified"
    | "no-identity";
  constructor(code: IdentityTokenError["code"], wrong: string) {
    super(wrong);
    this.code = code;
  }
}

/** The audience that Fulcio wants a token to be for. A token for somebody else is not shown to it. */
export const AUDIENCE = "sigstore";
/** The largest secret that is read, in bytes; web servers take no larger headers. */
export const MAX_TOKEN_BYTES = 64 * 1024;
/** Reads a token as it is at this time. Throws IdentityTokenError. */
export function readIdentityToken(text: string, now: Date): IdentityToken {
  const token = text.trim();
  if (token === "") throw new IdentityTokenError("empty", "it is empty");
  if (token.length > MAX_TOKEN_BYTES) {
    throw new IdentityTokenError(
      "too-large",
      `it is larger than ${MAX_TOKEN_BYTES} bytes, which no token is`,
    );
  }
  const claims = payloadOf(token);
  if (claims === undefined) {
    throw new IdentityTokenError(
      "not-jwt",
      "it is not an OpenID Connect identity token (a JWT: three parts with dots between)",
    );
  }
  if (![claims["aud"]].flat().includes(AUDIENCE)) {
    throw new IdentityTokenError(
      "wrong-audience",
      `it is meant for somebody else; ask its issuer for a token with the audience "${AUDIENCE}"`,
    );
  }
  const expires = new Date(typeof claims["exp"] === "number" ? claims["exp"] * 1000 : Number.NaN);
  if (!(expires > now)) {
    const when = Number.isNaN(expires.getTime()) ? "at no time that it says" : `at ${expires.toISOString()}`;
    throw new IdentityTokenError(
      "expired",
      `it expired ${when}, and it is ${now.toISOString()} now; get a new one just before the build`,
    );
  }
  return { token, claims: identityOf(claims), expires };
}

function payloadOf(token: string): Claims | undefined {
  const [, payload] = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(token) ?? [];
  if (payload === undefined) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
    return typeof claims === "object" && claims !== null && !Array.isArray(claims)
      ? (claims as Claims)
      : undefined;
  } catch {
    // JSON.parse quotes what it was given.
    return undefined;
  }
}

function identityOf(claims: Claims): ClaimedIdentity {
  const named = certificateSubject(claims);
  if (named === undefined) {
    throw new IdentityTokenError(
      "no-identity",
      "it does not say by whom (iss) and for whom (sub) it was issued",
    );
  }
  if (named === "unverified") {
    throw new IdentityTokenError("unverified", "its issuer has not verified the email address in it");
  }
  return named;
}

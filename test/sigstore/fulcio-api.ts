// SPDX-License-Identifier: Apache-2.0
import { pem } from "@sigstore/core";
import { createPublicKey, verify, type KeyObject } from "node:crypto";
import { jsonResponse, type ApiRequest, type ApiResponse } from "./api-exchange.ts";
import type { CertificateAuthority } from "./certificate-authority.ts";
import { isFields, type Fields } from "./json-fields.ts";

const SIGNING_CERT = "/api/v2/signingCert";
const TRUST_BUNDLE = "/api/v2/trustBundle";

const GITHUB_ISSUER = "https://token.actions.githubusercontent.com";
const BAD_TOKEN = "There was an error processing the identity token";
const EMAIL = /^[\w.+-]+@[\w-]+(\.[\w-]+)+$/;

/** Whether a request is for this API. */
export function isFulcioPath(path: string): boolean {
  return path === SIGNING_CERT || path === TRUST_BUNDLE;
}

/**
 * Answers a request for a certificate as Fulcio does, but takes the token at its word: its signature is not checked,
 * and every issuer is known. Its audience and its time are, and that the requester has the key. Keys are P-256 alone;
 * the real server takes more.
 */
export async function answerFulcio(
  { method, path, headers, body }: ApiRequest,
  authority: CertificateAuthority,
  now: Date,
): Promise<ApiResponse> {
  if (method !== (path === SIGNING_CERT ? "POST" : "GET")) return refusal(501, 12, "Method Not Allowed");
  const root = pem.fromDER(authority.root);
  if (path === TRUST_BUNDLE) return jsonResponse(200, { chains: [{ certificates: [root] }] });
  const request = parse(body.toString("utf8"));
  if (request === undefined) return refusal(400, 3, "unexpected EOF");
  const bearer = headers["authorization"]?.replace("Bearer ", "");
  const claims = claimsOf(fieldsOf(request["credentials"])["oidcIdentityToken"] ?? bearer, now);
  const subject = claims && subjectOf(claims);
  if (claims === undefined || subject === undefined) return refusal(400, 3, BAD_TOKEN);
  const keyRequest = fieldsOf(request["publicKeyRequest"]);
  const publicKey = keyOf(fieldsOf(keyRequest["publicKey"])["content"]);
  if (publicKey === undefined)
    return refusal(400, 3, "The public key supplied in the request could not be parsed");
  const proof = Buffer.from(String(keyRequest["proofOfPossession"]), "base64");
  if (!verify("sha256", Buffer.from(subject.proven), publicKey, proof)) {
    return refusal(400, 3, "The signature supplied in the request could not be verified");
  }
  const issuer = String(claims["iss"]);
  const leaf = await authority.issue({ publicKey, identity: subject.identity, issuer });
  const certificates = [pem.fromDER(leaf), root];
  return jsonResponse(200, { signedCertificateEmbeddedSct: { chain: { certificates } } });
}

function refusal(status: number, code: number, message: string): ApiResponse {
  return jsonResponse(status, { code, message, details: [] });
}

/** The token's claims; undefined when it is none, not for us or not of this time. */
function claimsOf(token: unknown, now: Date): Fields | undefined {
  if (typeof token !== "string" || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return undefined;
  const claims = parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8")) ?? {};
  const { aud, exp, iss } = claims;
  const isOurs = aud === "sigstore" || (Array.isArray(aud) && aud.includes("sigstore"));
  const isCurrent = typeof exp === "number" && exp * 1000 > now.getTime();
  return isOurs && isCurrent && typeof iss === "string" ? claims : undefined;
}

/**
 * Whom the certificate is to name, and the text that the requester signs to prove the key; undefined when the token does
 * not say.
 */
function subjectOf(claims: Fields): { readonly identity: string; readonly proven: string } | undefined {
  const text = (name: string): string => (typeof claims[name] === "string" ? claims[name] : "");
  const [email, sub] = [text("email"), text("sub")];
  if (email !== "") {
    const isVerified = claims["email_verified"] === true || claims["email_verified"] === "true";
    return isVerified && EMAIL.test(email) ? { identity: email, proven: email } : undefined;
  }
  if (claims["iss"] === GITHUB_ISSUER) {
    return { identity: `https://github.com/${text("job_workflow_ref")}`, proven: sub };
  }
  return URL.canParse(sub) ? { identity: sub, proven: sub } : undefined;
}

/** A P-256 key in PEM. */
function keyOf(content: unknown): KeyObject | undefined {
  try {
    const key = createPublicKey(String(content));
    return key.asymmetricKeyDetails?.namedCurve === "prime256v1" ? key : undefined;
  } catch {
    return undefined;
  }
}

function parse(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {};
}

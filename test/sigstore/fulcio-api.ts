// SPDX-License-Identifier: Apache-2.0
import { pem } from "@sigstore/core";
import { createPublicKey, verify, type KeyObject } from "node:crypto";
import { jsonResponse, type ApiResponse } from "./api-exchange.ts";
import type { CertificateAuthority } from "./certificate-authority.ts";
import { isFields, type Fields } from "./json-fields.ts";

/** The path of the one request there is. */
export const SIGNING_CERT_PATH = "/api/v2/signingCert";

const GITHUB_ISSUER = "https://token.actions.githubusercontent.com";

/**
 * Answers a request for a certificate as Fulcio does, but takes the token at its word: its signature is not checked.
 * Its audience and its time are, and that the requester has the key.
 */
export async function answerSigningCert(
  body: Buffer,
  authority: CertificateAuthority,
  now: Date,
): Promise<ApiResponse> {
  const request = parse(body.toString("utf8"));
  const token = fieldsOf(request["credentials"])["oidcIdentityToken"];
  const claims = claimsOf(token, now);
  if (claims === undefined)
    return refusal(401, 16, "There was an error processing the credentials for this request");
  const { identity, proven } = subjectOf(claims);
  if (identity === "") return refusal(400, 3, "There was an error processing the identity token");
  const keyRequest = fieldsOf(request["publicKeyRequest"]);
  const publicKey = keyOf(fieldsOf(keyRequest["publicKey"])["content"]);
  if (publicKey === undefined)
    return refusal(400, 3, "The public key supplied in the request could not be parsed");
  const proof = Buffer.from(String(keyRequest["proofOfPossession"]), "base64");
  if (!verify("sha256", Buffer.from(proven), publicKey, proof)) {
    return refusal(400, 3, "The signature supplied in the request could not be verified");
  }
  const leaf = await authority.issue({ publicKey, identity, issuer: String(claims["iss"]) });
  const certificates = [leaf, authority.root].map((der) => pem.fromDER(der));
  return jsonResponse(201, { signedCertificateEmbeddedSct: { chain: { certificates } } });
}

function refusal(status: number, code: number, message: string): ApiResponse {
  return jsonResponse(status, { code, message, details: [] });
}

/** The token's claims; undefined when it is none, not for us or not of this time. */
function claimsOf(token: unknown, now: Date): Fields | undefined {
  if (typeof token !== "string") return undefined;
  const parts = token.split(".");
  const claims = parse(Buffer.from(parts[1] ?? "", "base64url").toString("utf8"));
  const { aud, exp, iss } = claims;
  const isOurs = aud === "sigstore" || (Array.isArray(aud) && aud.includes("sigstore"));
  const isCurrent = typeof exp === "number" && exp * 1000 > now.getTime();
  return parts.length === 3 && isOurs && isCurrent && typeof iss === "string" ? claims : undefined;
}

/** Whom the certificate is to name, and the text that the requester signs to prove the key; empty when the token has none. */
function subjectOf(claims: Fields): { readonly identity: string; readonly proven: string } {
  const text = (name: string): string => (typeof claims[name] === "string" ? claims[name] : "");
  if (text("email") !== "") {
    return { identity: claims["email_verified"] === true ? text("email") : "", proven: text("email") };
  }
  if (claims["iss"] === GITHUB_ISSUER) {
    return { identity: `https://github.com/${text("job_workflow_ref")}`, proven: text("sub") };
  }
  return { identity: text("sub"), proven: text("sub") };
}

function keyOf(content: unknown): KeyObject | undefined {
  try {
    return createPublicKey(String(content));
  } catch {
    return undefined;
  }
}

function parse(text: string): Fields {
  try {
    return fieldsOf(JSON.parse(text));
  } catch {
    return {};
  }
}

function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {};
}

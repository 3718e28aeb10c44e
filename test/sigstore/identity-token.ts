// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";

/** Claims of an identity token (OpenID Connect, JWT). */
export type Claims = Readonly<Record<string, unknown>>;

/** Issuers as real certificates name them. */
export const GOOGLE = "https://accounts.google.com";
export const GITHUB = "https://token.actions.githubusercontent.com";

/** An identity token that is good for ten minutes, with a signature that nobody made. */
export function identityToken(claims: Claims = {}, now = new Date()): string {
  const seconds = Math.floor(now.getTime() / 1000);
  const header = { alg: "RS256", kid: "development", typ: "JWT" };
  const payload = {
    iss: GOOGLE,
    sub: "1234567890",
    aud: "sigstore",
    email: "ci@acme.example",
    email_verified: true,
    iat: seconds,
    exp: seconds + 600,
    ...claims,
  };
  const parts = [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"));
  return [...parts, randomBytes(256).toString("base64url")].join(".");
}

/** The claims that GitHub makes of a job of this workflow. */
export function githubClaims(workflow: string): Claims {
  return {
    iss: GITHUB,
    sub: "repo:acme/app:ref:refs/heads/main",
    email: undefined,
    email_verified: undefined,
    job_workflow_ref: workflow,
    repository: "acme/app",
  };
}

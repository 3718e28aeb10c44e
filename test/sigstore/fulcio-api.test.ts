// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "@sigstore/core";
import { createPublicKey, sign, X509Certificate as NodeCertificate } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GITHUB, githubClaims, identityToken, type Claims } from "./identity-token.ts";
import { newSigningKey, publicPem } from "./signed-statement.ts";
import { startSigstore, type Sigstore } from "./sigstore.ts";

let sigstore: Sigstore;
beforeAll(async () => {
  sigstore = await startSigstore();
});
afterAll(() => sigstore.close());

const key = newSigningKey();
const WORKFLOW = "acme/app/.github/workflows/build.yml@refs/heads/main";

async function request(
  token: string,
  proven: string,
): Promise<{ status: number; leaf?: string; says: string }> {
  const response = await fetch(`${sigstore.url}/api/v2/signingCert`, {
    method: "POST",
    body: JSON.stringify({
      credentials: { oidcIdentityToken: token },
      publicKeyRequest: {
        publicKey: { algorithm: "ECDSA", content: publicPem(key) },
        proofOfPossession: sign("sha256", Buffer.from(proven), key).toString("base64"),
      },
    }),
  });
  const says = await response.text();
  const answer = JSON.parse(says) as {
    signedCertificateEmbeddedSct?: { chain: { certificates: [string, string] } };
  };
  const [leaf] = answer.signedCertificateEmbeddedSct?.chain.certificates ?? [];
  return { status: response.status, says, ...(leaf === undefined ? {} : { leaf }) };
}

describe("a certificate names whom the token names", () => {
  test.for<{ row: string; claims: Claims; proven: string; names: string; issuer: string }>([
    {
      row: "an email address",
      claims: {},
      proven: "ci@acme.example",
      names: "email:ci@acme.example",
      issuer: "https://accounts.google.com",
    },
    {
      row: "a workflow of GitHub",
      claims: githubClaims(WORKFLOW),
      proven: "repo:acme/app:ref:refs/heads/main",
      names: `URI:https://github.com/${WORKFLOW}`,
      issuer: GITHUB,
    },
    {
      row: "another subject",
      claims: { iss: "https://issuer.test", sub: "https://acme.example/ci", email: undefined },
      proven: "https://acme.example/ci",
      names: "URI:https://acme.example/ci",
      issuer: "https://issuer.test",
    },
  ])("$row", async ({ claims, proven, names, issuer }) => {
    const { leaf = "" } = await request(identityToken(claims), proven);
    const certificate = new NodeCertificate(leaf);
    expect(certificate.subjectAltName).toBe(names);
    expect(certificate.publicKey.equals(createPublicKey(key))).toBe(true);
    const { certificateAuthorities } = sigstore.trustedRoot as {
      certificateAuthorities: { certChain: { certificates: { rawBytes: string }[] } }[];
    };
    const root = certificateAuthorities[0]?.certChain.certificates[0]?.rawBytes ?? "";
    expect(certificate.verify(new NodeCertificate(Buffer.from(root, "base64")).publicKey)).toBe(true);
    const { extSCT } = X509Certificate.parse(leaf);
    expect(extSCT?.signedCertificateTimestamps).toHaveLength(1);
    expect(leaf && certificate.raw.includes(issuer)).toBe(true);
  });
});

describe("no certificate is given", () => {
  test.for<{ row: string; token: string; proven?: string; status: number; says: string }>([
    { row: "for no token", token: "junk", status: 400, says: "processing the identity token" },
    {
      row: "for an expired token",
      token: identityToken({}, new Date(Date.now() - 3_600_000)),
      status: 400,
      says: "processing the identity token",
    },
    {
      row: "for a token for somebody else",
      token: identityToken({ aud: "sts.amazonaws.com" }),
      status: 400,
      says: "processing the identity token",
    },
    {
      row: "for an address that is not verified",
      token: identityToken({ email_verified: false }),
      status: 400,
      says: "processing the identity token",
    },
    {
      row: "to who has not the key",
      token: identityToken(),
      proven: "somebody else",
      status: 400,
      says: "signature supplied in the request could not be verified",
    },
  ])("$row", async ({ token, proven = "ci@acme.example", status, says }) => {
    const answer = await request(token, proven);
    expect(answer.status).toBe(status);
    expect(answer.says).toContain(says);
    expect(answer.leaf).toBeUndefined();
  });
});

test("the token may come in the header instead, as other clients send it", async () => {
  const response = await fetch(`${sigstore.url}/api/v2/signingCert`, {
    method: "POST",
    headers: { authorization: `Bearer ${identityToken()}` },
    body: JSON.stringify({
      publicKeyRequest: {
        publicKey: { algorithm: "ECDSA", content: publicPem(key) },
        proofOfPossession: sign("sha256", Buffer.from("ci@acme.example"), key).toString("base64"),
      },
    }),
  });
  expect(response.status).toBe(200);
});

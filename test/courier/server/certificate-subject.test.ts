// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { certificateSubject } from "../../../src/courier/server/identity-token.ts";
import type { Fields } from "../../../src/courier/server/json-fields.ts";

const GITHUB = "https://token.actions.githubusercontent.com";
const WORKFLOW = "acme/builds/.github/workflows/image.yml@refs/heads/main";
const PIPELINE = "gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main";
const DEX = "https://oauth2.sigstore.dev/auth";

describe("a certificate names", () => {
  test.for<{ row: string; claims: Fields; identity: string; issuer?: string }>([
    {
      row: "the workflow of a job of GitHub Actions, not its repository",
      claims: { iss: GITHUB, sub: "repo:acme/app:ref:refs/heads/main", job_workflow_ref: WORKFLOW },
      identity: `https://github.com/${WORKFLOW}`,
    },
    {
      row: "the same with the issuer of an enterprise",
      claims: { iss: `${GITHUB}/acme`, sub: "repo:acme/app:ref:refs/heads/main", job_workflow_ref: WORKFLOW },
      identity: `https://github.com/${WORKFLOW}`,
      issuer: `${GITHUB}/acme`,
    },
    {
      row: "the workflow on a GitHub server of one's own",
      claims: {
        iss: "https://github.acme.example/_services/token",
        sub: "repo:acme/app:ref:refs/heads/main",
        job_workflow_ref: WORKFLOW,
      },
      identity: `https://github.acme.example/${WORKFLOW}`,
    },
    {
      row: "the pipeline's file of a job of GitLab, not its project",
      claims: {
        iss: "https://gitlab.com",
        sub: "project_path:acme/app:ref_type:branch:ref:main",
        ci_config_ref_uri: PIPELINE,
        project_path: "acme/app",
        user_email: "dev@acme.example",
      },
      identity: `https://${PIPELINE}`,
    },
    {
      row: "the pipeline's file on a GitLab of one's own",
      claims: {
        iss: "https://gitlab.acme.example",
        sub: "project_path:acme/app:ref_type:tag:ref:v1",
        ci_config_ref_uri: "gitlab.acme.example/acme/app//.gitlab-ci.yml@refs/tags/v1",
      },
      identity: "https://gitlab.acme.example/acme/app//.gitlab-ci.yml@refs/tags/v1",
    },
    {
      row: "an email address",
      claims: {
        iss: "https://accounts.google.com",
        sub: "1234567890",
        email: "ci@acme.example",
        email_verified: true,
      },
      identity: "ci@acme.example",
    },
    {
      row: "an email address that is verified in words",
      claims: { iss: "https://issuer.example", sub: "1", email: "ci@acme.example", email_verified: "true" },
      identity: "ci@acme.example",
    },
    {
      row: "the issuer behind Sigstore's own",
      claims: {
        iss: DEX,
        sub: "CgcxMjM0NTY3EiZodHRwcw",
        email: "dev@acme.example",
        email_verified: true,
        federated_claims: { connector_id: "https://github.com/login/oauth", user_id: "1" },
      },
      identity: "dev@acme.example",
      issuer: "https://github.com/login/oauth",
    },
    {
      row: "Sigstore's own issuer, when nobody is behind it",
      claims: { iss: DEX, sub: "1", email: "dev@acme.example", email_verified: true, federated_claims: null },
      identity: "dev@acme.example",
    },
    {
      row: "a SPIFFE ID",
      claims: { iss: "https://spire.acme.example", sub: "spiffe://acme.example/ns/ci/sa/builder" },
      identity: "spiffe://acme.example/ns/ci/sa/builder",
    },
    {
      row: "a URI",
      claims: { iss: "https://issuer.example", sub: "https://acme.example/ci" },
      identity: "https://acme.example/ci",
    },
    {
      row: "a service account of Kubernetes",
      claims: {
        iss: "https://oidc.eks.eu-west-1.amazonaws.com/id/AB12",
        sub: "system:serviceaccount:ci:builder",
        "kubernetes.io": { namespace: "ci", pod: { name: "p" }, serviceaccount: { name: "builder" } },
      },
      identity: "https://kubernetes.io/namespaces/ci/serviceaccounts/builder",
    },
    {
      row: "an identity of Chainguard below its issuer",
      claims: { iss: "https://issuer.enforce.dev", sub: "ab12/cd34", email: "x@y.example" },
      identity: "https://issuer.enforce.dev/ab12/cd34",
    },
    { row: "any other subject", claims: { iss: "https://issuer.example", sub: "robot" }, identity: "robot" },
    {
      row: "the subject, when a workflow is said by an issuer that has none",
      claims: { iss: "https://issuer.example", sub: "robot", job_workflow_ref: WORKFLOW },
      identity: "robot",
    },
    {
      row: "the subject, when the workflow could not stand in a certificate",
      claims: { iss: GITHUB, sub: "repo:acme/app", job_workflow_ref: "a b\u0007" },
      identity: "repo:acme/app",
    },
    {
      row: "the subject, when a claim has another type",
      claims: {
        iss: "https://issuer.example",
        sub: "robot",
        "kubernetes.io": [],
        ci_config_ref_uri: {},
        email: 7,
      },
      identity: "robot",
    },
  ])("$row", ({ claims, identity, issuer }) => {
    expect(certificateSubject(claims)).toEqual({ issuer: issuer ?? claims["iss"], identity });
  });
});

test.for<{ row: string; claims: Fields; want: unknown }>([
  {
    row: "an email address that is not verified",
    claims: { iss: "https://issuer.example", sub: "1", email: "ci@acme.example", email_verified: false },
    want: "unverified",
  },
  {
    row: "an email address of which nothing is said",
    claims: { iss: "https://issuer.example", sub: "1", email: "ci@acme.example" },
    want: "unverified",
  },
  { row: "no issuer", claims: { sub: "robot" }, want: undefined },
  { row: "an issuer that is no URL", claims: { iss: "issuer", sub: "robot" }, want: undefined },
  { row: "no subject", claims: { iss: "https://issuer.example" }, want: undefined },
  {
    row: "a subject that is longer than any",
    claims: { iss: "https://issuer.example", sub: "x".repeat(3_000) },
    want: undefined,
  },
])("there is no certificate for $row", ({ claims, want }) => {
  expect(certificateSubject(claims)).toBe(want);
});

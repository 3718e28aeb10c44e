// SPDX-License-Identifier: Apache-2.0
import { fieldsOf, type Fields } from "./json-fields.ts";

/** An issuer and an identity as Fulcio writes them into certificates, from the claims of a token. */
export interface ClaimedIdentity {
  readonly issuer: string;
  readonly identity: string;
}

const MAX_NAME_LENGTH = 2048;
const GITHUB_ISSUER = "https://token.actions.githubusercontent.com";
/** The issuer of a self-hosted GitHub server: its workflows have the same host. */
const GITHUB_SERVER_ISSUER = /^(https:\/\/[^/]+)\/_services\/token$/;
const SIGSTORE_DEX_ISSUER = "https://oauth2.sigstore.dev/auth";
const CHAINGUARD_ISSUER = "https://issuer.enforce.dev";

/**
 * The issuer and the identity that a certificate for a token with these claims names, as Fulcio is configured for the
 * issuers of the public instance and for others of their kinds; undefined when the token has no issuer or no subject.
 * `unverified`: its issuer has not verified the email address, and Fulcio issues no certificate for it.
 *
 * An authority can be configured differently. The certificate shows what it made of the token, so a wrong guess only
 * repeats a record that exists already.
 */
export function certificateSubject(claims: Fields): ClaimedIdentity | "unverified" | undefined {
  const issuer = textOf(claims["iss"]);
  const subject = textOf(claims["sub"]);
  if (!/^https?:\/\/./.test(issuer) || subject === "") return undefined;
  const uri = workflowOf(issuer, claims) ?? pipelineOf(claims) ?? serviceAccountOf(claims);
  if (uri !== undefined) return { issuer, identity: uri };
  if (issuer === CHAINGUARD_ISSUER) return { issuer, identity: `${issuer}/${subject}` };
  const email = textOf(claims["email"]);
  // The rest are URIs and SPIFFE IDs, which certificates have unchanged.
  if (email === "") return { issuer, identity: subject };
  if (claims["email_verified"] !== true && claims["email_verified"] !== "true") return "unverified";
  return { issuer: connectorOf(issuer, claims) ?? issuer, identity: email };
}

/** A job of GitHub Actions: the workflow with its steps, which may be another repository's. */
function workflowOf(issuer: string, claims: Fields): string | undefined {
  const workflow = textOf(claims["job_workflow_ref"]);
  if (workflow === "") return undefined;
  // An enterprise can have an issuer of its own below GitHub's.
  if (issuer === GITHUB_ISSUER || issuer.startsWith(`${GITHUB_ISSUER}/`))
    return `https://github.com/${workflow}`;
  const [, server] = GITHUB_SERVER_ISSUER.exec(issuer) ?? [];
  return server === undefined ? undefined : `${server}/${workflow}`;
}

/** A job of GitLab: the file that describes its pipeline, at its ref. */
function pipelineOf(claims: Fields): string | undefined {
  const config = textOf(claims["ci_config_ref_uri"]);
  return config === "" ? undefined : `https://${config}`;
}

/** A pod of Kubernetes: its service account. */
function serviceAccountOf(claims: Fields): string | undefined {
  const { namespace, serviceaccount } = fieldsOf(claims["kubernetes.io"]);
  const [space, name] = [textOf(namespace), textOf(fieldsOf(serviceaccount)["name"])];
  if (space === "" || name === "") return undefined;
  return `https://kubernetes.io/namespaces/${space}/serviceaccounts/${name}`;
}

/** Sigstore's own issuer lets other issuers log people in; certificates name those. */
function connectorOf(issuer: string, claims: Fields): string | undefined {
  if (issuer !== SIGSTORE_DEX_ISSUER) return undefined;
  return textOf(fieldsOf(claims["federated_claims"])["connector_id"]) || undefined;
}

/** A claim that can stand in a certificate; empty when it cannot. */
function textOf(claim: unknown): string {
  return typeof claim === "string" && claim.length <= MAX_NAME_LENGTH && /^[\x21-\x7e]+$/.test(claim)
    ? claim
    : "";
}

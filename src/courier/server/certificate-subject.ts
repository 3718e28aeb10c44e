// SPDX-License-Identifier: Apache-2.0

/** An issuer and an identity as Fulcio writes them into certificates, by the token's own word. */
export interface ClaimedIdentity {
  readonly issuer: string;
  readonly identity: string;
}

/** The claims of an identity token; nothing of them is verified. */
export type Claims = Readonly<Record<string, unknown>>;

const MAX_NAME_LENGTH = 2048;
const GITHUB_ISSUER = "https://token.actions.githubusercontent.com";
/** The issuer of a GitHub server of one's own: its host is the one of its workflows. */
const GITHUB_SERVER_ISSUER = /^(https:\/\/[^/]+)\/_services\/token$/;
const SIGSTORE_DEX_ISSUER = "https://oauth2.sigstore.dev/auth";
const CHAINGUARD_ISSUER = "https://issuer.enforce.dev";

/**
 * Whom a certificate for a token with these claims names, as Fulcio is configured for the issuers of the public
 * instance and for others of their kinds; undefined when it has no issuer or no subject. `unverified`: the email
 * address is one that its issuer has not verified, and for which there is no certificate.
 *
 * An authority can be configured otherwise. The certificate says what it made of the token, so that a wrong guess costs a
 * record that was there already, and nothing else.
 */
export function certificateSubject(claims: Claims): ClaimedIdentity | "unverified" | undefined {
  const issuer = textOf(claims["iss"]);
  const subject = textOf(claims["sub"]);
  if (!/^https?:\/\/./.test(issuer) || subject === "") return undefined;
  const uri = workflowOf(issuer, claims) ?? pipelineOf(claims) ?? serviceAccountOf(claims);
  if (uri !== undefined) return { issuer, identity: uri };
  if (issuer === CHAINGUARD_ISSUER) return { issuer, identity: `${issuer}/${subject}` };
  const email = textOf(claims["email"]);
  // What is left is a URI or a SPIFFE ID, and stands in certificates as it is.
  if (email === "") return { issuer, identity: subject };
  if (claims["email_verified"] !== true && claims["email_verified"] !== "true") return "unverified";
  return { issuer: connectorOf(issuer, claims) ?? issuer, identity: email };
}

/** A job of GitHub Actions: the workflow that has its steps, which may be another repository's. */
function workflowOf(issuer: string, claims: Claims): string | undefined {
  const workflow = textOf(claims["job_workflow_ref"]);
  if (workflow === "") return undefined;
  // An enterprise can have an issuer of its own below GitHub's.
  if (issuer === GITHUB_ISSUER || issuer.startsWith(`${GITHUB_ISSUER}/`))
    return `https://github.com/${workflow}`;
  const [, server] = GITHUB_SERVER_ISSUER.exec(issuer) ?? [];
  return server === undefined ? undefined : `${server}/${workflow}`;
}

/** A job of GitLab: the file that describes its pipeline, at its ref. */
function pipelineOf(claims: Claims): string | undefined {
  const config = textOf(claims["ci_config_ref_uri"]);
  return config === "" ? undefined : `https://${config}`;
}

/** A pod of Kubernetes: its service account. */
function serviceAccountOf(claims: Claims): string | undefined {
  const { namespace, serviceaccount } = fieldsOf(claims["kubernetes.io"]);
  const [space, name] = [textOf(namespace), textOf(fieldsOf(serviceaccount)["name"])];
  if (space === "" || name === "") return undefined;
  return `https://kubernetes.io/namespaces/${space}/serviceaccounts/${name}`;
}

/** Sigstore's own issuer lets others log people in; certificates name those. */
function connectorOf(issuer: string, claims: Claims): string | undefined {
  if (issuer !== SIGSTORE_DEX_ISSUER) return undefined;
  return textOf(fieldsOf(claims["federated_claims"])["connector_id"]) || undefined;
}

function fieldsOf(value: unknown): Claims {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Claims) : {};
}

/** A claim that can stand in a certificate; empty when it cannot. */
function textOf(claim: unknown): string {
  return typeof claim === "string" && claim.length <= MAX_NAME_LENGTH && /^[\x21-\x7e]+$/.test(claim)
    ? claim
    : "";
}

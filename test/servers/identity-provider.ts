// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";

/**
 * Two issuers of identity tokens (OpenID Connect), of whom anybody gets any token: `GET ISSUER/token?claims=JSON`
 * answers with a token of these claims, a text. `GET ISSUER/job?audience=…` answers as GitHub does to its jobs, with
 * `{ "value": TOKEN }`.
 */
export interface IdentityProvider {
  /** The issuer of tokens for people, who have email addresses. */
  readonly people: string;
  /** The issuer of tokens for jobs, whose subjects are URIs below `people`. */
  readonly jobs: string;
  close(): Promise<void>;
}

const KEY_ID = "one";
const LIFETIME_S = 600;

/** Starts one with a new key. */
export async function startIdentityProvider(host: string): Promise<IdentityProvider> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = createPublicKey(privateKey).export({ format: "jwk" });
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const token = (issuer: string, claims: object) => {
    const now = Math.floor(Date.now() / 1000);
    const payload = { iss: issuer, aud: "sigstore", iat: now, exp: now + LIFETIME_S, ...claims };
    const text = `${encode({ alg: "ES256", kid: KEY_ID, typ: "JWT" })}.${encode(payload)}`;
    const signature = sign("sha256", Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" });
    return `${text}.${signature.toString("base64url")}`;
  };

  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", people);
    const [issuer, path] = pathname.startsWith("/jobs/") ? [jobs, pathname.slice(5)] : [people, pathname];
    if (path === "/.well-known/openid-configuration") json(response, discovery(issuer));
    else if (path === "/keys") json(response, { keys: [{ ...jwk, kid: KEY_ID, alg: "ES256", use: "sig" }] });
    else if (path === "/token") response.end(token(issuer, claimsOf(searchParams.get("claims"))));
    else if (path === "/job") {
      const aud = searchParams.get("audience") ?? "";
      json(response, { value: token(issuer, { sub: `${people}/acme/app`, aud }) });
    } else response.writeHead(404).end();
  });
  server.listen(0, host);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("a TCP server has a port");
  const people = `http://${host}:${address.port}`;
  const jobs = `${people}/jobs`;
  return {
    people,
    jobs,
    async close() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function discovery(issuer: string): object {
  return {
    issuer,
    jwks_uri: `${issuer}/keys`,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["ES256"],
  };
}

function claimsOf(text: string | null): object {
  const claims: unknown = JSON.parse(text ?? "{}");
  return typeof claims === "object" && claims !== null ? claims : {};
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(value));
}

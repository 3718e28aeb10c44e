// SPDX-License-Identifier: Apache-2.0
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { MAX_SECRET_BYTES, SECRET_NAMES } from "../protocol.ts";
import { Failure, unusableSecret } from "./failure.ts";
import {
  readIdentityToken,
  requestGithubToken,
  type ClaimedIdentity,
  type IdentityToken,
  type TokenRequest,
} from "./identity-token.ts";
import { readSigningKey, type SigningKey } from "./signing-key.ts";

/** A signer with identity tokens. */
export interface TokenSigner {
  /** The issuer and the identity that the first token names. */
  readonly claims: ClaimedIdentity;
  /** A token that is good now. Throws Failure `no-signer`. */
  token(signal: AbortSignal): Promise<IdentityToken>;
}

/** What the build's signing secrets give: nothing, when there are none. */
export interface SigningSecret {
  readonly key?: SigningKey;
  readonly identity?: TokenSigner;
  /** Why the secrets cannot sign: a message code, a colon, and a text that shows nothing of the secrets. */
  readonly problem?: string;
}

/** What reading secrets takes from outside. */
export interface SecretReading {
  readonly now: () => Date;
  /** Ends the request for a first token. */
  readonly signal: AbortSignal;
}

/** A token this close to its end may have expired when the authority sees it. */
const NEARLY_EXPIRED_MS = 30_000;

/** Reads the signing secrets in this directory; fetches a token when they are GitHub's. Never throws. */
export async function readSigningSecret(directory: string, reading: SecretReading): Promise<SigningSecret> {
  const secrets = new Map<string, Buffer>();
  try {
    for (const name of Object.values(SECRET_NAMES)) {
      const secret = readSecret(directory, name);
      if (secret !== undefined) secrets.set(name, secret);
    }
    return await signerIn(secrets, reading);
  } catch (error) {
    if (error instanceof Failure) return { problem: error.message };
    throw error;
  } finally {
    for (const secret of secrets.values()) secret.fill(0);
  }
}

/** What secrets give, by their names. Throws Failure `no-signer`, which shows nothing of them. */
export async function signerIn(
  secrets: ReadonlyMap<string, Buffer>,
  reading: SecretReading,
): Promise<SigningSecret> {
  const key = secrets.get(SECRET_NAMES.key);
  const token = secrets.get(SECRET_NAMES.token)?.toString("utf8");
  const github = githubRequest(secrets);
  const given = [
    ...(key === undefined ? [] : [SECRET_NAMES.key]),
    ...(token === undefined ? [] : [SECRET_NAMES.token]),
    ...(github === undefined ? [] : [SECRET_NAMES.githubToken]),
  ];
  if (given.length > 1) {
    const names = given.map((name) => `"${name}"`).join(" and ");
    throw new Failure(
      "no-signer",
      `signing-several: secrets ${names} are given, and each names another signer; give the one that is to sign`,
    );
  }
  if (key !== undefined) return { key: readSigningKey(key, secrets.get(SECRET_NAMES.password)) };
  if (token !== undefined) return { identity: givenToken(token, reading) };
  if (github !== undefined) return { identity: await githubToken(github, reading) };
  return {};
}

/** A given token cannot be renewed: it is read again for each use, since it may have expired meanwhile. */
function givenToken(text: string, { now }: SecretReading): TokenSigner {
  const read = () => readIdentityToken(text, { secret: SECRET_NAMES.token, now: now() });
  return { claims: read().claims, token: async () => read() };
}

async function githubToken(request: TokenRequest, { now, signal }: SecretReading): Promise<TokenSigner> {
  const fetched = async (until: AbortSignal): Promise<IdentityToken> => {
    const text = await requestGithubToken(request, until);
    return readIdentityToken(text, { secret: SECRET_NAMES.githubToken, now: now() });
  };
  let current = await fetched(signal);
  return {
    claims: current.claims,
    async token(until) {
      if (current.expires.getTime() - now().getTime() < NEARLY_EXPIRED_MS) current = await fetched(until);
      return current;
    },
  };
}

/** GitHub's two secrets. Empty ones are none: a job without the permission has not these variables. */
function githubRequest(secrets: ReadonlyMap<string, Buffer>): TokenRequest | undefined {
  const [bearer, url] = [SECRET_NAMES.githubToken, SECRET_NAMES.githubUrl].map(
    (name) => secrets.get(name)?.toString("utf8").trim() ?? "",
  );
  if (!bearer && !url) return undefined;
  if (bearer && url) return { bearer, url };
  const [there, missing] = bearer
    ? [SECRET_NAMES.githubToken, SECRET_NAMES.githubUrl]
    : [SECRET_NAMES.githubUrl, SECRET_NAMES.githubToken];
  throw unusableSecret(
    "identity-token-incomplete",
    there,
    `is given without "${missing}"; build with --secret id=${missing},env=${missing} too`,
  );
}

/** A secret's bytes, one more than the limit when there are more; undefined when there is no such file. */
function readSecret(directory: string, name: string): Buffer | undefined {
  let file;
  const secret = Buffer.alloc(MAX_SECRET_BYTES + 1);
  try {
    file = openSync(join(directory, name), "r");
    let size = 0;
    for (let read = -1; read !== 0 && size < secret.length; size += read) {
      read = readSync(file, secret, size, secret.length - size, null);
    }
    return secret.subarray(0, size);
  } catch (error) {
    if (file === undefined && codeOf(error) === "ENOENT") return undefined;
    throw unusableSecret(`${kindOf(name)}-unreadable`, name, `cannot be read: ${codeOf(error)}`);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function kindOf(name: string): string {
  return name === SECRET_NAMES.key || name === SECRET_NAMES.password ? "signing-key" : "identity-token";
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "unknown";
}

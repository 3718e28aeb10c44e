// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { SECRET_NAMES } from "../courier/protocol.ts";
import { Failure } from "../courier/server/failure.ts";
import { readIdentityToken } from "../courier/server/identity-token.ts";
import { signerIn, type SigningSecret } from "../courier/server/signing-secret.ts";
import type { SigningWay } from "./configuration.ts";
import { NotRecordedError } from "./recorder.ts";

/** What reading a signing secret takes from outside. */
export interface SigningReading {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly now: () => Date;
  readonly signal: AbortSignal;
}

/** What the configured way to sign gives. Throws NotRecordedError, which shows nothing of a secret. */
export async function readSigning(way: SigningWay, reading: SigningReading): Promise<SigningSecret> {
  try {
    return await signingSecret(way, reading);
  } catch (error) {
    if (error instanceof Failure) throw new NotRecordedError(error.message, { cause: error });
    throw error;
  }
}

async function signingSecret(
  way: SigningWay,
  { environment, now, signal }: SigningReading,
): Promise<SigningSecret> {
  switch (way.kind) {
    case "key": {
      const secrets = new Map([[SECRET_NAMES.key as string, await read(way.file)]]);
      if (way.passwordFile !== undefined) secrets.set(SECRET_NAMES.password, await read(way.passwordFile));
      return signerIn(secrets, { now, signal });
    }
    case "token": {
      // Whoever projects it there renews it, so each use reads it again.
      const token = async () =>
        readIdentityToken((await read(way.file)).toString("utf8"), {
          secret: SECRET_NAMES.token,
          now: now(),
        });
      return { identity: { claims: (await token()).claims, token } };
    }
    case "github": {
      const given = new Map<string, Buffer>();
      for (const name of [SECRET_NAMES.githubToken, SECRET_NAMES.githubUrl]) {
        const value = environment[name];
        if (value !== undefined) given.set(name, Buffer.from(value));
      }
      const secret = await signerIn(given, { now, signal });
      if (secret.identity !== undefined) return secret;
      throw new NotRecordedError(
        `the environment has no ${SECRET_NAMES.githubToken}; give the job "permissions: id-token: write"`,
      );
    }
  }
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new NotRecordedError(`cannot sign: ${why}`, { cause });
  }
}

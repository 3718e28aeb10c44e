// SPDX-License-Identifier: Apache-2.0
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { MAX_KEY_BYTES, readSigningKey, SigningKeyError, type SigningKey } from "./signing-key.ts";

/** The name of the build secret, and of its file. */
export const SIGNING_SECRET = "tlog-signing-key";

/** What came of the build's signing secret: neither, when there is none. */
export interface SigningSecret {
  readonly key?: SigningKey;
  /** Why the secret cannot sign: a message code, a colon, and a text that shows nothing of the secret. */
  readonly problem?: string;
}

/** Reads the signing secret in this directory. Never throws. */
export function readSigningSecret(directory: string): SigningSecret {
  let file;
  try {
    file = openSync(join(directory, SIGNING_SECRET), "r");
  } catch (error) {
    return codeOf(error) === "ENOENT" ? {} : unreadable(error);
  }
  const secret = Buffer.alloc(MAX_KEY_BYTES + 1);
  try {
    let size = 0;
    for (let read = -1; read !== 0 && size < secret.length; size += read) {
      read = readSync(file, secret, size, secret.length - size, null);
    }
    return { key: readSigningKey(secret.subarray(0, size)) };
  } catch (error) {
    if (!(error instanceof SigningKeyError)) return unreadable(error);
    return { problem: `signing-key-${error.code}: secret "${SIGNING_SECRET}" cannot sign: ${error.message}` };
  } finally {
    secret.fill(0);
    closeSync(file);
  }
}

function unreadable(error: unknown): SigningSecret {
  return { problem: `signing-key-unreadable: secret "${SIGNING_SECRET}" cannot be read: ${codeOf(error)}` };
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "unknown";
}

// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The private keys of all services. */
export interface SigningKeys {
  readonly rekorV1: KeyObject;
  readonly rekorV2: KeyObject;
  readonly fulcio: KeyObject;
  readonly ctlog: KeyObject;
  readonly timestamp: KeyObject;
}

/** The keys under `directory`, each made when it is not there yet (mode 0600); new ones in memory without a directory. */
export function signingKeys(directory: string | undefined): SigningKeys {
  if (directory !== undefined) mkdirSync(directory, { recursive: true, mode: 0o700 });
  const key = (name: string, type: "P-256" | "Ed25519"): KeyObject => {
    const path = directory === undefined ? undefined : join(directory, `${name}.pem`);
    if (path !== undefined && existsSync(path)) return createPrivateKey(readFileSync(path));
    const { privateKey } =
      type === "P-256" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("ed25519");
    if (path !== undefined) {
      writeFileSync(path, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
    }
    return privateKey;
  };
  return {
    rekorV1: key("rekor-v1", "P-256"),
    rekorV2: key("rekor-v2", "Ed25519"),
    fulcio: key("fulcio", "P-256"),
    ctlog: key("ctlog", "P-256"),
    timestamp: key("timestamp", "P-256"),
  };
}

/** Both halves, as @sigstore/mock wants them. */
export function keyPair(privateKey: KeyObject): {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
} {
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

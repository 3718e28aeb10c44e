// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync } from "node:crypto";

function pair(): { publicPem: string; privatePem: string } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    publicPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
    privatePem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

/** Two signers, made anew for each run. */
export const ALICE = pair();
export const BOB = pair();

/** A PEM as YAML's `key: |` takes it, six blanks in. */
export function asBlock(pem: string): string {
  return pem
    .trim()
    .split("\n")
    .map((line) => `      ${line}`)
    .join("\n");
}

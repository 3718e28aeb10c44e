// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { answers, type Daemon, startDaemon } from "./daemon.ts";
import { LOOPBACK, newPort } from "./server-ports.ts";
import type { ServerRun } from "./server-run.ts";
import type { Trillian } from "./trillian.ts";

/** A real certificate log (RFC 6962), which proves with SCTs that it was shown a certificate. */
export interface RealCertificateLog {
  readonly url: string;
  readonly publicKey: KeyObject;
  readonly daemon: Daemon;
}

const NAME = "certificates";

/** Starts an empty log that takes certificates under this root (a PEM file). Throws ServerError NOT_STARTED. */
export async function startCertificateLog(
  serverRun: ServerRun,
  parts: { readonly programs: string; readonly trillian: Trillian; readonly rootFile: string },
): Promise<RealCertificateLog> {
  const { programs, trillian, rootFile } = parts;
  const port = await newPort();
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const config = join(serverRun.data, "certificate-log.cfg");
  const der = privateKey.export({ type: "pkcs8", format: "der" });
  const text = [
    "config {",
    `  log_id: ${await trillian.newTree()}`,
    `  prefix: "${NAME}"`,
    `  roots_pem_file: "${rootFile}"`,
    "  max_merge_delay_sec: 86400",
    `  private_key { [type.googleapis.com/keyspb.PrivateKey] { der: "${escaped(der)}" } }`,
    "}",
    "",
  ];
  await writeFile(config, text.join("\n"), { mode: 0o600 });
  const daemon = await startDaemon(serverRun, {
    name: "ct_server",
    file: join(programs, "ct_server"),
    args: [
      `--http_endpoint=${LOOPBACK}:${port}`,
      `--log_config=${config}`,
      `--log_rpc_server=${LOOPBACK}:${trillian.rpcPort}`,
      "--logtostderr",
    ],
    isReady: () => answers(`http://${LOOPBACK}:${port}/${NAME}/ct/v1/get-roots`),
  });
  return { url: `http://${LOOPBACK}:${port}/${NAME}`, publicKey: createPublicKey(privateKey), daemon };
}

/** Bytes as a string literal of protobuf's text format. */
function escaped(bytes: Buffer): string {
  return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}

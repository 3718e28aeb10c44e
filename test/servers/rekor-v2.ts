// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ed25519NoteSigner } from "../sigstore/signed-note.ts";
import { answers, startDaemon } from "./daemon.ts";
import { LOOPBACK, newPort } from "./server-ports.ts";
import type { ServerRun } from "./server-run.ts";
import { serveFront } from "./server-front.ts";

/** A real Rekor v2 log (rekor-tiles) on files. */
export interface RealRekorV2 {
  readonly url: string;
  readonly publicKey: KeyObject;
  /** As trusted roots name it: the hash of origin and key. */
  readonly logId: Buffer;
  stop(): Promise<void>;
}

const STATIC = /^\/api\/v2\/(checkpoint|tile\/(?:entries|\d{1,2})\/[x\d/]+(?:\.p\/\d{1,3})?)$/;

/**
 * Starts an empty log; `host` is what clients use, and the origin of its checkpoints. The server itself gives neither
 * checkpoint nor tiles: operators serve its directory beside it, and so does what answers at `url`. Throws ServerError
 * NOT_STARTED.
 */
export async function startRekorV2(
  serverRun: ServerRun,
  { programs, host }: { readonly programs: string; readonly host: string },
): Promise<RealRekorV2> {
  const [http, grpc, metrics] = [await newPort(), await newPort(), await newPort()];
  const storage = join(serverRun.data, "tiles");
  const signer = join(serverRun.data, "rekor-v2.pem");
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  await writeFile(signer, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  const daemon = await startDaemon(serverRun, {
    name: "rekor-tiles",
    file: join(programs, "posix"),
    args: [
      "serve",
      `--hostname=${host}`,
      `--storage-dir=${storage}`,
      `--signer-filepath=${signer}`,
      "--checkpoint-interval=200ms",
      "--batch-max-age=50ms",
      `--http-address=${LOOPBACK}`,
      `--http-port=${http}`,
      `--http-metrics-port=${metrics}`,
      `--grpc-address=${LOOPBACK}`,
      `--grpc-port=${grpc}`,
      "--log-level=warn",
    ],
    isReady: () => answers(`http://${LOOPBACK}:${http}/healthz`),
  });
  const front = await serveFront({
    host,
    behind: { host: LOOPBACK, port: http },
    file(path) {
      const [, inner] = STATIC.exec(path) ?? [];
      return inner === undefined ? undefined : join(storage, inner);
    },
  });
  return {
    url: front.url,
    publicKey,
    logId: ed25519NoteSigner(host, privateKey).keyId,
    async stop() {
      await front.close();
      await daemon.stop();
    },
  };
}

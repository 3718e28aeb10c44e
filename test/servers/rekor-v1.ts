// SPDX-License-Identifier: Apache-2.0
import { type KeyObject, createPublicKey, generateKeyPairSync } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { answers, type Daemon, startDaemon } from "./daemon.ts";
import { holdPort, LOOPBACK, newPort } from "./server-ports.ts";
import type { ServerRun } from "./server-run.ts";
import type { Trillian } from "./trillian.ts";

/** A real Rekor v1 log: its tree in Trillian, search index in MariaDB, attestations in files. */
export interface RealRekorV1 {
  readonly url: string;
  readonly publicKey: KeyObject;
  readonly daemon: Daemon;
}

/** What it needs. */
export interface RekorV1Parts {
  readonly programs: string;
  /** The address that clients use; also the name on checkpoints, which verifiers look for in the log's URL. */
  readonly host: string;
  readonly dsn: string;
  readonly trillian: Trillian;
  /** Writes the log's first entries; then the log goes on in a new tree, as logs do after some years. */
  readonly fillFirstShard?: ((url: string) => Promise<void>) | undefined;
}

/** rekor-server serves metrics to everybody on this port, and goes on without when it is taken. */
const METRICS_PORT = 2112;

/** What a log keeps when it goes on in another tree. */
interface Kept {
  readonly attestations: string;
  /** The file of the log's private key, PEM. */
  readonly signer: string;
}

/** Starts a log that is empty but for its first shard. Throws ServerError NOT_STARTED. */
export async function startRekorV1(serverRun: ServerRun, parts: RekorV1Parts): Promise<RealRekorV1> {
  const { trillian, fillFirstShard } = parts;
  const attestations = join(serverRun.data, "attestations");
  await mkdir(attestations);
  const signer = join(serverRun.data, "rekor.pem");
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  await writeFile(signer, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  const kept = { attestations, signer };
  const closed: string[] = [];
  if (fillFirstShard !== undefined) {
    const treeId = await trillian.newTree();
    const first = await startShard(serverRun, parts, { ...kept, treeId, closed });
    await fillFirstShard(first.url).finally(() => first.daemon.stop());
    closed.push(treeId);
  }
  const rekor = await startShard(serverRun, parts, { ...kept, treeId: await trillian.newTree(), closed });
  return { ...rekor, publicKey: createPublicKey(privateKey) };
}

async function startShard(
  serverRun: ServerRun,
  { programs, host, dsn, trillian }: RekorV1Parts,
  shard: Kept & {
    readonly treeId: string;
    /** The trees that it went on from, the oldest first. */
    readonly closed: readonly string[];
  },
): Promise<{ readonly url: string; readonly daemon: Daemon }> {
  const { attestations, signer, treeId, closed } = shard;
  const port = await newPort(host);
  const shards = join(serverRun.data, "shards.yaml");
  await writeFile(shards, closed.map((id) => `- treeID: ${id}\n`).join(""));
  const url = `http://${host}:${port}`;
  const letGo = await holdPort(METRICS_PORT);
  try {
    const daemon = await startDaemon(serverRun, {
      name: "rekor-server",
      file: join(programs, "rekor-server"),
      args: [
        "serve",
        `--rekor_server.address=${host}`,
        `--port=${port}`,
        `--rekor_server.hostname=${host}`,
        `--rekor_server.signer=${signer}`,
        `--trillian_log_server.address=${LOOPBACK}`,
        `--trillian_log_server.port=${trillian.rpcPort}`,
        `--trillian_log_server.tlog_id=${treeId}`,
        `--trillian_log_server.sharding_config=${shards}`,
        "--enable_attestation_storage",
        `--attestation_storage_bucket=file://${attestations}`,
        "--search_index.storage_provider=mysql",
        `--search_index.mysql.dsn=${dsn}`,
      ],
      // It moves its temporary files into the bucket, which only works within one file system.
      env: { TMPDIR: attestations, HOME: serverRun.data },
      isReady: () => answers(`${url}/api/v1/log`),
    });
    return { url, daemon };
  } finally {
    letGo();
  }
}

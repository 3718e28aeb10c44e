// SPDX-License-Identifier: Apache-2.0
import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../e2e/lab/command.ts";
import { lastLines } from "../e2e/lab/lab-error.ts";
import { answers, type Daemon, startDaemon } from "./daemon.ts";
import { goSource } from "./go-programs.ts";
import { ServerError } from "./server-error.ts";
import { LOOPBACK, newPort } from "./server-ports.ts";
import type { ServerRun } from "./server-run.ts";
import { TRILLIAN } from "./versions.ts";

/** Merkle trees for logs: the server that takes leaves, and the signer that sequences them. */
export interface Trillian {
  /** The server's port for gRPC, on the loopback address. */
  readonly rpcPort: number;
  readonly daemons: readonly Daemon[];
  /** Makes a tree; gives its number. */
  newTree(): Promise<string>;
}

/** Trillian's tables (SQL) as its source has them, kept so that later runs need no Go. */
export async function trillianSchema(directory: string): Promise<string> {
  const kept = join(directory, `trillian-${TRILLIAN.version}.sql`);
  try {
    return await readFile(kept, "utf8");
  } catch {
    await cp(join(await goSource(TRILLIAN), "storage/mysql/schema/storage.sql"), kept);
    return readFile(kept, "utf8");
  }
}

/** Starts server and signer on an empty database. Throws ServerError NOT_STARTED. */
export async function startTrillian(
  serverRun: ServerRun,
  { programs, dsn }: { readonly programs: string; readonly dsn: string },
): Promise<Trillian> {
  const [rpcPort, httpPort] = [await newPort(), await newPort()];
  const [signerRpcPort, signerHttpPort] = [await newPort(), await newPort()];
  const storage = ["--quota_system=noop", "--storage_system=mysql", `--mysql_uri=${dsn}`, "--logtostderr"];
  const endpoints = (rpc: number, http: number) => [
    `--rpc_endpoint=${LOOPBACK}:${rpc}`,
    `--http_endpoint=${LOOPBACK}:${http}`,
  ];
  const start = (name: string, http: number, args: readonly string[]) =>
    startDaemon(serverRun, {
      name,
      file: join(programs, name),
      args: [...storage, ...args],
      isReady: () => answers(`http://${LOOPBACK}:${http}/healthz`),
    });
  const daemons: Daemon[] = [];
  try {
    daemons.push(await start("trillian_log_server", httpPort, endpoints(rpcPort, httpPort)));
    daemons.push(
      await start("trillian_log_signer", signerHttpPort, [
        ...endpoints(signerRpcPort, signerHttpPort),
        "--force_master",
        "--sequencer_interval=50ms",
      ]),
    );
  } catch (error) {
    for (const daemon of daemons) await daemon.stop();
    throw error;
  }
  return {
    rpcPort,
    daemons,
    async newTree() {
      const args = [`--admin_server=${LOOPBACK}:${rpcPort}`];
      const made = await run(join(programs, "createtree"), args, { timeoutMs: 30_000 });
      const id = made.stdout.trim();
      if (made.code === 0 && /^\d+$/.test(id)) return id;
      throw new ServerError("NOT_STARTED", `Trillian makes no tree:\n${lastLines(made.output)}`);
    },
  };
}

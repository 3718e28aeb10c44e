// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { run } from "../e2e/lab/command.ts";
import { lastLines } from "../e2e/lab/lab-error.ts";
import { freePort } from "../e2e/lab/ports.ts";
import { answers, type Daemon, startDaemon } from "./daemon.ts";
import { goPrograms, goSource } from "./go-programs.ts";
import { installMariaDb, startMariaDb } from "./mariadb.ts";
import { ServerError } from "./server-error.ts";
import { newServerRun, type ServerRun } from "./server-run.ts";
import { say, serversDirectory } from "./servers-directory.ts";
import { REKOR_V1, TRILLIAN } from "./versions.ts";

/** A real Rekor v1 log: Trillian on MariaDB, search index in MariaDB, attestations in files. */
export interface RealRekorV1 {
  readonly url: string;
  close(): Promise<void>;
}

/** What has to be on disk before anything starts. */
interface Installed {
  readonly trillian: string;
  readonly rekor: string;
  readonly mariadb: string;
  /** Trillian's tables (SQL). */
  readonly schema: string;
}

interface Trillian {
  readonly rpcPort: number;
  readonly daemons: readonly Daemon[];
  newTree(): Promise<string>;
}

const HOST = "127.0.0.1";
/** rekor-server serves metrics to everybody on this port, and goes on without when it is taken. */
const METRICS_PORT = 2112;

/** How to start it; every part has a default. */
export interface RealRekorV1Options {
  readonly directory?: string;
  /** Writes the log's first entries; then the log goes on in a new tree, as logs do after some years. */
  readonly fillFirstShard?: (url: string) => Promise<void>;
}

/**
 * Installs what is not installed yet and starts the log, which is empty but for its first shard. Throws ServerError
 * and LabError; whatever was started is stopped then, as it is when this process ends.
 */
export async function startRekorV1(options: RealRekorV1Options = {}): Promise<RealRekorV1> {
  const { directory = serversDirectory(), fillFirstShard } = options;
  const installed = await install(directory);
  const start = performance.now();
  const serverRun = await newServerRun(directory);
  const daemons: Daemon[] = [];
  const stopAll = async () => {
    for (const daemon of daemons.toReversed()) await daemon.stop();
    await serverRun.remove();
  };
  try {
    const { dsn, daemon } = await startMariaDb(serverRun, {
      root: installed.mariadb,
      schema: installed.schema,
    });
    daemons.push(daemon);
    const trillian = await startTrillian(serverRun, { programs: installed.trillian, dsn });
    daemons.push(...trillian.daemons);
    const parts = { programs: installed.rekor, dsn, trillian, ...(await prepareRekor(serverRun)) };
    const closed: string[] = [];
    if (fillFirstShard !== undefined) {
      const treeId = await trillian.newTree();
      const first = await startRekor(serverRun, { ...parts, treeId, closed });
      await fillFirstShard(first.url).finally(() => first.daemon.stop());
      closed.push(treeId);
    }
    const rekor = await startRekor(serverRun, { ...parts, treeId: await trillian.newTree(), closed });
    daemons.push(rekor.daemon);
    say(`started Rekor ${REKOR_V1.version} on ${rekor.url} in ${Math.round(performance.now() - start)} ms`);
    return { url: rekor.url, close: stopAll };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

async function install(directory: string): Promise<Installed> {
  await mkdir(directory, { recursive: true });
  const trillian = await goPrograms(directory, TRILLIAN);
  const rekor = await goPrograms(directory, REKOR_V1);
  const mariadb = await installMariaDb(directory);
  const schema = join(directory, `trillian-${TRILLIAN.version}.sql`);
  return { trillian, rekor, mariadb, schema: await readSchema(schema) };
}

/** Trillian's tables as its source has them, kept so that later runs need no Go. */
async function readSchema(kept: string): Promise<string> {
  try {
    return await readFile(kept, "utf8");
  } catch {
    await cp(join(await goSource(TRILLIAN), "storage/mysql/schema/storage.sql"), kept);
    return readFile(kept, "utf8");
  }
}

async function startTrillian(
  serverRun: ServerRun,
  { programs, dsn }: { readonly programs: string; readonly dsn: string },
): Promise<Trillian> {
  const [rpcPort, httpPort] = [await newPort(), await newPort()];
  const [signerRpcPort, signerHttpPort] = [await newPort(), await newPort()];
  const storage = ["--quota_system=noop", "--storage_system=mysql", `--mysql_uri=${dsn}`, "--logtostderr"];
  const endpoints = (rpc: number, http: number) => [
    `--rpc_endpoint=${HOST}:${rpc}`,
    `--http_endpoint=${HOST}:${http}`,
  ];
  const start = (name: string, http: number, args: readonly string[]) =>
    startDaemon(serverRun, {
      name,
      file: join(programs, name),
      args: [...storage, ...args],
      isReady: () => answers(`http://${HOST}:${http}/healthz`),
    });
  const server = await start("trillian_log_server", httpPort, endpoints(rpcPort, httpPort));
  const signer = await start("trillian_log_signer", signerHttpPort, [
    ...endpoints(signerRpcPort, signerHttpPort),
    "--force_master",
    "--sequencer_interval=50ms",
  ]);
  return {
    rpcPort,
    daemons: [server, signer],
    async newTree() {
      const args = [`--admin_server=${HOST}:${rpcPort}`];
      const made = await run(join(programs, "createtree"), args, { timeoutMs: 30_000 });
      const id = made.stdout.trim();
      if (made.code === 0 && /^\d+$/.test(id)) return id;
      throw new ServerError("NOT_STARTED", `Trillian makes no tree:\n${lastLines(made.output)}`);
    },
  };
}

/** What a log keeps when it goes on in another tree. */
interface RekorFiles {
  readonly attestations: string;
  /** The log's private key, PEM. */
  readonly signer: string;
}

async function prepareRekor({ data }: ServerRun): Promise<RekorFiles> {
  const attestations = join(data, "attestations");
  await mkdir(attestations);
  const signer = join(data, "rekor.pem");
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  await writeFile(signer, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  return { attestations, signer };
}

async function startRekor(
  serverRun: ServerRun,
  options: RekorFiles & {
    readonly programs: string;
    readonly dsn: string;
    readonly trillian: Trillian;
    readonly treeId: string;
    /** The trees that it went on from, the oldest first. */
    readonly closed: readonly string[];
  },
): Promise<{ readonly url: string; readonly daemon: Daemon }> {
  const { programs, dsn, trillian, treeId, closed, attestations, signer } = options;
  const port = await newPort();
  const shards = join(serverRun.data, "shards.yaml");
  await writeFile(shards, closed.map((id) => `- treeID: ${id}\n`).join(""));
  const url = `http://${HOST}:${port}`;
  const letGo = await holdPort(METRICS_PORT);
  try {
    const daemon = await startDaemon(serverRun, {
      name: "rekor-server",
      file: join(programs, "rekor-server"),
      args: [
        "serve",
        `--rekor_server.address=${HOST}`,
        `--port=${port}`,
        // The name on checkpoints, which verifiers look for in the log's URL.
        `--rekor_server.hostname=${HOST}`,
        `--rekor_server.signer=${signer}`,
        `--trillian_log_server.address=${HOST}`,
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

/** Keeps others from listening on this port until the returned function is called, if it is free. */
async function holdPort(port: number): Promise<() => void> {
  const holder = createServer((socket) => socket.destroy());
  const listening = once(holder, "listening").then(
    () => true,
    () => false,
  );
  holder.listen(port, HOST);
  return (await listening) ? () => holder.close() : () => undefined;
}

const portsGiven = new Set<number>();

/** A free port, never the same one twice: nobody listens on it before it is used. */
async function newPort(): Promise<number> {
  for (;;) {
    const port = await freePort(HOST);
    if (port === undefined) throw new ServerError("NOT_STARTED", `there is no free port on ${HOST}`);
    if (portsGiven.has(port)) continue;
    portsGiven.add(port);
    return port;
  }
}

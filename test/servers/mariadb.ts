// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { join } from "node:path";
import { run } from "../e2e/lab/command.ts";
import { MULTIARCH } from "../e2e/lab/chroot.ts";
import { installDebian } from "../e2e/lab/debian.ts";
import { lastLines } from "../e2e/lab/lab-error.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { keep } from "./go-programs.ts";
import { ServerError } from "./server-error.ts";
import type { ServerRun } from "./server-run.ts";
import { say } from "./servers-directory.ts";

/** A database server that only this run's programs reach. */
export interface MariaDb {
  /** The data source name of its one database, as Go's MySQL driver reads it. */
  readonly dsn: string;
  readonly daemon: Daemon;
}

/** The database server without anything that would start it by itself. */
const PACKAGES = ["mariadb-server-core"];
const SUITES = ["forky", "trixie"];
/** What the server needs to know of itself, from its own scripts. */
const SYSTEM_TABLES = [
  "mariadb_system_tables.sql",
  "mariadb_performance_tables.sql",
  "mariadb_system_tables_data.sql",
];

/**
 * Debian's MariaDB in a directory of its own: the path of its root. Installed on the first call; the system's own
 * packages and services are not touched. Throws ServerError and LabError.
 */
export async function installMariaDb(directory: string): Promise<string> {
  const installed = join(directory, `mariadb-${process.arch}`);
  if (existsSync(installed)) return join(installed, "root");
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
    throw new ServerError(
      "NOT_POSSIBLE",
      "cannot install MariaDB from Debian packages: it takes root and apt-get",
    );
  }
  say("installing MariaDB from Debian packages, about a minute");
  await mkdir(join(directory, "logs"), { recursive: true });
  const unfinished = await mkdtemp(`${installed}.`);
  try {
    const log = join(directory, "logs", "install-mariadb.log");
    await installDebian({ root: join(unfinished, "root"), packages: PACKAGES, suites: SUITES, log });
    await keep(unfinished, installed);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return join(installed, "root");
}

/** Starts a new, empty database and gives it these tables (SQL). Throws ServerError NOT_STARTED. */
export async function startMariaDb(
  serverRun: ServerRun,
  { root, schema }: { readonly root: string; readonly schema: string },
): Promise<MariaDb> {
  const data = join(serverRun.data, "mariadb");
  const socket = join(serverRun.sockets, "mariadb.sock");
  await mkdir(data, { mode: 0o700 });
  const share = join(root, "usr/share/mariadb");
  const program = join(root, MULTIARCH.loader);
  const args = [
    "--library-path",
    join(root, MULTIARCH.libraries),
    join(root, "usr/sbin/mariadbd"),
    "--no-defaults",
    "--user=root",
    `--datadir=${data}`,
    `--lc-messages-dir=${share}`,
    `--tmpdir=${serverRun.sockets}`,
    `--character-sets-dir=${join(share, "charsets")}`,
    // Whoever reaches the socket, in a directory of this user alone, may do everything.
    "--skip-networking",
    "--skip-grant-tables",
    // Nothing of it has to survive a power cut.
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-log-file-size=16M",
    "--innodb-buffer-pool-size=64M",
    "--performance-schema=0",
    "--skip-log-bin",
  ];
  const tables = await Promise.all(SYSTEM_TABLES.map((name) => readFile(join(share, name), "utf8")));
  const input = [
    "CREATE DATABASE mysql;",
    "USE mysql;",
    ...tables,
    "CREATE DATABASE test;",
    "USE test;",
    schema,
  ].join("\n");
  const made = await run(program, [...args, "--bootstrap", "--silent-startup"], { input, timeoutMs: 60_000 });
  if (made.code !== 0) {
    throw new ServerError(
      "NOT_STARTED",
      `cannot make a database (exit code ${made.code}):\n${lastLines(made.output)}`,
    );
  }
  const daemon = await startDaemon(serverRun, {
    name: "mariadb",
    file: program,
    args: [...args, `--socket=${socket}`, `--pid-file=${join(serverRun.sockets, "mariadb.pid")}`],
    isReady: () => greets(socket),
  });
  return { dsn: `root@unix(${socket})/test?parseTime=true&interpolateParams=true`, daemon };
}

/** Whether a server says hello on this socket, as MySQL servers do. */
function greets(socket: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const connection = createConnection(socket);
    connection.setTimeout(5_000, () => connection.destroy(new Error(`no greeting on "${socket}"`)));
    connection.once("error", reject);
    connection.once("close", () => resolve(false));
    connection.once("data", () => {
      resolve(true);
      connection.destroy();
    });
  });
}

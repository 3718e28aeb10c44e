// SPDX-License-Identifier: Apache-2.0
import { mkdir } from "node:fs/promises";
import { type OfferedServices } from "../sigstore/signing-config.ts";
import { trustedRoot } from "../sigstore/trusted-root.ts";
import { startCertificateLog } from "./certificate-log.ts";
import type { Daemon } from "./daemon.ts";
import { newFulcioRoot, startFulcio } from "./fulcio.ts";
import { goPrograms } from "./go-programs.ts";
import { startIdentityProvider } from "./identity-provider.ts";
import { installMariaDb, startMariaDb } from "./mariadb.ts";
import { startRekorV1 } from "./rekor-v1.ts";
import { startRekorV2 } from "./rekor-v2.ts";
import { LOOPBACK } from "./server-ports.ts";
import { newServerRun, type ServerRun } from "./server-run.ts";
import { say, serversDirectory } from "./servers-directory.ts";
import { startTimestampAuthority } from "./timestamp-authority.ts";
import { startTrillian, trillianSchema } from "./trillian.ts";
import { CERTIFICATE_LOG, FULCIO, REKOR_V1, REKOR_V2, TIMESTAMP_AUTHORITY, TRILLIAN } from "./versions.ts";

/** Where the parts of a Sigstore are, and what proves that it was them; plain data, for other processes too. */
export interface SigstorePlace extends Required<OfferedServices> {
  /** In Sigstore's JSON form. */
  readonly trustedRoot: object;
  /** The issuer of tokens for jobs; `issuer` is the one for people. */
  readonly jobIssuer: string;
}

/**
 * A real Sigstore: Rekor v1 on Trillian and MariaDB, Rekor v2, Fulcio with a certificate log, and a timestamp
 * authority; the issuer of identity tokens is ours.
 */
export interface RealSigstore extends SigstorePlace {
  close(): Promise<void>;
}

/** How to start it; every part has a default. */
export interface RealSigstoreOptions {
  /** The directory of programs, data and logs. */
  readonly directory?: string;
  /** The address that clients use; the loopback address when left out. */
  readonly host?: string;
  /** Writes the first entries of the v1 log; then the log goes on in a new tree, as logs do after some years. */
  readonly fillFirstShard?: (url: string) => Promise<void>;
}

/** What has to be on disk before anything starts; directories of programs. */
interface Installed {
  readonly trillian: string;
  readonly rekorV1: string;
  readonly rekorV2: string;
  readonly fulcio: string;
  readonly certificateLog: string;
  readonly timestampAuthority: string;
  /** The root of Debian's MariaDB. */
  readonly mariadb: string;
  /** Trillian's tables (SQL). */
  readonly schema: string;
}

/**
 * Installs what is not installed yet and starts all of it, empty but for the first shard. Throws ServerError and
 * LabError; whatever was started is stopped then, as it is when this process ends.
 */
export async function startRealSigstore(options: RealSigstoreOptions = {}): Promise<RealSigstore> {
  const { directory = serversDirectory(), host = LOOPBACK, fillFirstShard } = options;
  const installed = await install(directory);
  const start = performance.now();
  const serverRun = await newServerRun(directory);
  const stops: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const stop of stops.splice(0).toReversed()) await stop();
    await serverRun.remove();
  };
  try {
    const keep = (...daemons: readonly Daemon[]) => stops.push(...daemons.map((daemon) => daemon.stop));
    const place = await startAll(serverRun, { installed, host, fillFirstShard, keep, stops });
    say(`started on ${host} in ${Math.round(performance.now() - start)} ms`);
    return { ...place, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startAll(
  serverRun: ServerRun,
  parts: {
    readonly installed: Installed;
    readonly host: string;
    readonly fillFirstShard: ((url: string) => Promise<void>) | undefined;
    readonly keep: (...daemons: readonly Daemon[]) => void;
    readonly stops: (() => Promise<void>)[];
  },
): Promise<SigstorePlace> {
  const { installed, host, fillFirstShard, keep, stops } = parts;
  const { dsn, daemon } = await startMariaDb(serverRun, {
    root: installed.mariadb,
    schema: installed.schema,
  });
  keep(daemon);
  const trillian = await startTrillian(serverRun, { programs: installed.trillian, dsn });
  keep(...trillian.daemons);
  const rekorV1 = await startRekorV1(serverRun, {
    programs: installed.rekorV1,
    host,
    dsn,
    trillian,
    fillFirstShard,
  });
  keep(rekorV1.daemon);
  const rekorV2 = await startRekorV2(serverRun, { programs: installed.rekorV2, host });
  stops.push(rekorV2.stop);
  const timestamps = await startTimestampAuthority(serverRun, {
    programs: installed.timestampAuthority,
    host,
  });
  stops.push(timestamps.stop);
  const issuer = await startIdentityProvider(host);
  stops.push(issuer.close);
  const root = await newFulcioRoot(serverRun);
  const certificateLog = await startCertificateLog(serverRun, {
    programs: installed.certificateLog,
    trillian,
    rootFile: root.file,
  });
  keep(certificateLog.daemon);
  const fulcio = await startFulcio(serverRun, {
    programs: installed.fulcio,
    host,
    root,
    certificateLogUrl: certificateLog.url,
    issuers: [
      { url: issuer.people, type: "email" },
      { url: issuer.jobs, type: "uri", subjectDomain: issuer.people },
    ],
  });
  keep(fulcio.daemon);
  return {
    rekorV1: rekorV1.url,
    rekorV2: rekorV2.url,
    fulcio: fulcio.url,
    timestamp: `${timestamps.url}/api/v1/timestamp`,
    issuer: issuer.people,
    jobIssuer: issuer.jobs,
    trustedRoot: trustedRoot({
      logs: [
        { url: rekorV1.url, key: rekorV1.publicKey },
        { url: rekorV2.url, key: rekorV2.publicKey, logId: rekorV2.logId },
      ],
      certificateLogs: [{ url: certificateLog.url, key: certificateLog.publicKey }],
      certificateAuthorities: [{ url: fulcio.url, chain: [root.certificate] }],
      timestampAuthorities: [{ url: timestamps.url, chain: timestamps.chain }],
    }),
  };
}

async function install(directory: string): Promise<Installed> {
  await mkdir(directory, { recursive: true });
  return {
    trillian: await goPrograms(directory, TRILLIAN),
    rekorV1: await goPrograms(directory, REKOR_V1),
    rekorV2: await goPrograms(directory, REKOR_V2),
    fulcio: await goPrograms(directory, FULCIO),
    certificateLog: await goPrograms(directory, CERTIFICATE_LOG),
    timestampAuthority: await goPrograms(directory, TIMESTAMP_AUTHORITY),
    mariadb: await installMariaDb(directory),
    schema: await trillianSchema(directory),
  };
}

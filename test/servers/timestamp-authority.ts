// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { httpRequest } from "../e2e/lab/http-request.ts";
import { startDaemon } from "./daemon.ts";
import { serveFront } from "./server-front.ts";
import type { ServerRun } from "./server-run.ts";

/** A real timestamp authority (RFC 3161). */
export interface RealTimestampAuthority {
  readonly url: string;
  /** Certificates (DER): the signer's, and its issuers up to the root. */
  readonly chain: readonly Buffer[];
  stop(): Promise<void>;
}

const CHAIN = "/api/v1/timestamp/certchain";
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Starts one with keys and certificates that it makes itself. It would serve metrics to everybody on a port that cannot
 * be chosen, and end if that port were taken: so it has no network, and what answers at `url` talks to its socket.
 */
export async function startTimestampAuthority(
  serverRun: ServerRun,
  { programs, host }: { readonly programs: string; readonly host: string },
): Promise<RealTimestampAuthority> {
  const socketPath = join(serverRun.sockets, "timestamp.sock");
  let chain = "";
  const daemon = await startDaemon(serverRun, {
    name: "timestamp-server",
    file: "unshare",
    args: [
      "--net",
      "--",
      join(programs, "timestamp-server"),
      "serve",
      "--scheme=unix",
      `--socket-path=${socketPath}`,
      "--timestamp-signer=memory",
      "--disable-ntp-monitoring",
    ],
    env: { HOME: serverRun.data, PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
    async isReady() {
      const { status, body } = await httpRequest({ socketPath, path: CHAIN, timeoutMs: 5_000 });
      chain = body.toString("utf8");
      return status === 200;
    },
  });
  const front = await serveFront({ host, behind: { socketPath } });
  return {
    url: front.url,
    chain: Array.from(chain.matchAll(CERTIFICATE), ([pem]) => new X509Certificate(pem).raw),
    async stop() {
      await front.close();
      await daemon.stop();
    },
  };
}

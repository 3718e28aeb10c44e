// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pem } from "@sigstore/core";
import { certificateAuthority } from "../sigstore/certificate-authority.ts";
import { answers, type Daemon, startDaemon } from "./daemon.ts";
import { LOOPBACK, newPort } from "./server-ports.ts";
import type { ServerRun } from "./server-run.ts";

/** The root that a real Fulcio issues from; made by us, so that a certificate log can know it before. */
export interface FulcioRoot {
  /** The certificate, DER. */
  readonly certificate: Buffer;
  /** The same as a PEM file. */
  readonly file: string;
  /** The file of its private key, PEM. */
  readonly keyFile: string;
}

/** A real Fulcio. */
export interface RealFulcio {
  readonly url: string;
  readonly daemon: Daemon;
}

/** An issuer of identity tokens, and what Fulcio makes of its tokens. */
export type TrustedIssuer =
  | { readonly url: string; readonly type: "email" }
  | { readonly url: string; readonly type: "uri"; readonly subjectDomain: string };

/** Makes a new root. */
export async function newFulcioRoot({ data }: ServerRun): Promise<FulcioRoot> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { root } = await certificateAuthority(privateKey, { time: new Date() });
  const file = join(data, "fulcio-root.pem");
  const keyFile = join(data, "fulcio.pem");
  await writeFile(file, pem.fromDER(root));
  await writeFile(keyFile, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  return { certificate: root, file, keyFile };
}

/** Starts it. Throws ServerError NOT_STARTED. */
export async function startFulcio(
  serverRun: ServerRun,
  parts: {
    readonly programs: string;
    readonly host: string;
    readonly root: FulcioRoot;
    readonly certificateLogUrl: string;
    readonly issuers: readonly TrustedIssuer[];
  },
): Promise<RealFulcio> {
  const { programs, host, root, certificateLogUrl, issuers } = parts;
  const [port, grpcPort] = [await newPort(host), await newPort()];
  const config = join(serverRun.data, "fulcio.json");
  const known = issuers.map((issuer) => [
    issuer.url,
    {
      IssuerURL: issuer.url,
      ClientID: "sigstore",
      Type: issuer.type,
      ...(issuer.type === "uri" && { SubjectDomain: issuer.subjectDomain }),
    },
  ]);
  await writeFile(config, JSON.stringify({ OIDCIssuers: Object.fromEntries(known) }));
  const url = `http://${host}:${port}`;
  const daemon = await startDaemon(serverRun, {
    name: "fulcio",
    file: join(programs, "fulcio"),
    args: [
      "serve",
      "--ca=fileca",
      `--fileca-cert=${root.file}`,
      `--fileca-key=${root.keyFile}`,
      // It asks for one, also for a key that is not encrypted.
      "--fileca-key-passwd=unused",
      "--fileca-watch=false",
      `--config-path=${config}`,
      `--ct-log-url=${certificateLogUrl}`,
      `--host=${host}`,
      `--port=${port}`,
      `--grpc-host=${LOOPBACK}`,
      `--grpc-port=${grpcPort}`,
      `--legacy-unix-domain-socket=${join(serverRun.sockets, "fulcio.sock")}`,
      // Its metrics are for everybody, on any port that is free: it knows no address for them, and ends without.
      "--metrics-port=0",
    ],
    env: { HOME: serverRun.data },
    isReady: () => answers(`${url}/api/v2/trustBundle`),
  });
  return { url, daemon };
}

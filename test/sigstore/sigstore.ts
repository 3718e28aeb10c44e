// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { authorities } from "./authorities.ts";
import { faults, type FaultRule } from "./faults.ts";
import { parseListen, serveHttp } from "./http-server.ts";
import { openLineFile, type LineFile } from "./line-file.ts";
import { answerRekorV1 } from "./rekor-v1-api.ts";
import { type Lag, rekorV1Log, type RekorV1Log } from "./rekor-v1-log.ts";
import { rekorV2Log, type RekorV2Log } from "./rekor-v2.ts";
import { signingConfig } from "./signing-config.ts";
import { keyPair, signingKeys } from "./signing-keys.ts";
import { trustedRoot } from "./trusted-root.ts";

/** How to run a development Sigstore; every part has a default. */
export interface SigstoreOptions {
  /** `ADDRESS:PORT`, default 127.0.0.1:0. The address is what clients use: it goes into the trusted root and onto checkpoints. */
  readonly listen?: string;
  /**
   * Where trusted_root.json, signing_config.json and rekor.pub are written, and where keys and logs are kept, so that another run on the same
   * address goes on with them. Without it everything is in memory and ends with the process.
   */
  readonly out?: string;
  /** The time of new log entries, certificates and timestamps; default the machine's. Certificates are valid from the machine's now on. */
  readonly clock?: () => Date;
  /** How late search and attestation storage are with a new entry, default 0. */
  readonly lag?: Lag;
  /** Whether certificates go to a certificate log; default true. Without, they have no SCT. */
  readonly certificateLog?: boolean;
}

/** A development Sigstore that answers: Rekor v1 and v2, Fulcio with CT log, timestamp authority, all under one URL. */
export interface Sigstore {
  readonly url: string;
  /** In Sigstore's JSON form, for TrustedRoot.fromJSON. */
  readonly trustedRoot: object;
  readonly trustedRootPath?: string;
  /** In Sigstore's JSON form, version 0.2. */
  readonly signingConfig: object;
  /** The v1 log's key, PEM. */
  readonly rekorPublicKey: string;
  readonly log: RekorV1Log;
  readonly logV2: RekorV2Log;
  /** `METHOD /path` of the requests so far, at most the last 10000. */
  readonly requests: readonly string[];
  /** Makes the answers to matching requests go wrong; returns how to stop that. */
  misbehave(rule: FaultRule): () => void;
  close(): Promise<void>;
}

const MAX_REQUESTS_KEPT = 10_000;

/**
 * Starts one. Not for production: the certificate authority believes everybody, and keys lie in plain files. Throws
 * ListenError, LineFileError, and the errors of node:fs and node:net.
 */
export async function startSigstore(options: SigstoreOptions = {}): Promise<Sigstore> {
  const { out, clock = () => new Date(), lag = 0, certificateLog = true } = options;
  const listen = parseListen(options.listen ?? "127.0.0.1:0");
  if (out !== undefined) mkdirSync(out, { recursive: true });
  const keys = signingKeys(out === undefined ? undefined : join(out, "keys"));
  const file = (name: string): LineFile =>
    openLineFile(out === undefined ? undefined : join(out, `${name}.jsonl`));
  const issuers = await authorities(keys, file("authorities"), { clock, certificateLog });
  const rules = faults();
  const requests: string[] = [];

  const hostname = listen.host;
  const v1 = rekorV1Log({ hostname, privateKey: keys.rekorV1, file: file("rekor-v1"), clock, lag });
  const v2 = rekorV2Log({ hostname, privateKey: keys.rekorV2, file: file("rekor-v2") });
  const server = await serveHttp({
    listen,
    faults: {
      add: rules.add,
      next(request) {
        requests.push(`${request.method} ${request.path}`);
        if (requests.length > MAX_REQUESTS_KEPT) requests.shift();
        return rules.next(request);
      },
    },
    handle(request) {
      const issued = issuers.answer(request);
      if (issued !== undefined) return issued;
      return request.path.startsWith("/api/v2/") ? v2.answer(request) : answerRekorV1(request, v1);
    },
  });
  const { url } = server;
  const root = trustedRoot({
    logs: [
      { url, key: keyPair(keys.rekorV1).publicKey },
      { url, key: v2.publicKey, logId: v2.logId },
    ],
    certificateLogs: [{ url, key: keyPair(keys.ctlog).publicKey }],
    certificateAuthorities: issuers.certificates.map(({ fulcio }) => ({ url, chain: [fulcio] })),
    timestampAuthorities: issuers.certificates.map(({ timestamp }) => ({ url, chain: timestamp })),
  });
  const config = signingConfig({
    rekorV1: url,
    rekorV2: url,
    fulcio: url,
    timestamp: `${url}/api/v1/timestamp`,
  });
  return {
    url,
    trustedRoot: root,
    signingConfig: config,
    ...(out === undefined
      ? {}
      : { trustedRootPath: writeTrust(out, { root, config, rekor: v1.publicKeyPem }) }),
    rekorPublicKey: v1.publicKeyPem,
    log: v1,
    logV2: v2,
    requests,
    misbehave: (rule) => rules.add(rule),
    close: () => server.close(),
  };
}

function writeTrust(
  out: string,
  { root, config, rekor }: { readonly root: object; readonly config: object; readonly rekor: string },
): string {
  const write = (name: string, value: object) => {
    const path = resolve(out, name);
    writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`);
    return path;
  };
  write("signing_config.json", config);
  writeFileSync(join(out, "rekor.pub"), rekor);
  return write("trusted_root.json", root);
}

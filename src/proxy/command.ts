// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import type { SigningSecret } from "../courier/server/signing-secret.ts";
import { useProxies } from "../courier/server/proxies.ts";
import { formatReference } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import {
  type CommandIo,
  EXIT,
  optionsHelp,
  type OptionRow,
  readArguments,
  readDuration,
  UsageError,
} from "../program/command-line.ts";
import type { SigningWay } from "../observer/configuration.ts";
import { readSigning } from "../observer/signing.ts";
import { parseIdentity, parsePublicKey, signerName } from "../record/signer.ts";
import { progressLine } from "../report/messages.ts";
import { openStandalone, type Standalone } from "../standalone/standalone.ts";
import { OWN_CONFIGURATION } from "../trust/build-trust.ts";
import { openTagJudge } from "./judging.ts";
import { openMetrics, type ProxyMetrics } from "./metrics.ts";
import { createProxy, type LogEntry, type ProxyLimits } from "./server.ts";
import { openUpstreams } from "./upstreams.ts";

const OPTIONS = {
  listen: { value: "HOST:PORT", does: 'where clients pull from; "127.0.0.1:5000" when not given' },
  "metrics-listen": {
    value: "HOST:PORT",
    does: "where /metrics is served for Prometheus; nowhere when not given",
  },
  policy: {
    value: "FILE",
    does: `the policy; "${OWN_CONFIGURATION}/policy.yaml" when not given, if it is there`,
  },
  config: {
    value: "DIR",
    does: `the directory with policy.yaml, trusted_root.json and signing_config.json; "${OWN_CONFIGURATION}" when not given`,
  },
  key: {
    value: "FILE",
    does: "the key that signs what is new; without one of these three nothing is recorded",
  },
  password: { value: "FILE", does: "the password of that key" },
  token: { value: "FILE", does: "the identity token that signs; it is read again for each use" },
  github: { does: "sign as the job of GitHub Actions that this runs in" },
  remember: {
    value: "DURATION",
    does: 'how long a tag that is as recorded is not asked about again; "30s" when not given, "0s": never',
  },
  help: { short: "h", does: "show this" },
} as const satisfies Readonly<Record<string, OptionRow>>;

const HELP = `Usage: serve [--listen HOST:PORT] [--policy FILE] [--key FILE | --token FILE | --github] [options]

A registry proxy for pulls: docker pull HOST:PORT/alpine:3.16.0. Each tag is judged as in a build, new ones are
recorded, and one that names another image than its record is refused. Images of registries that everybody can
pull from; no credentials are taken. The log goes to standard output, a JSON object a line.

${optionsHelp(OPTIONS)}
Exit status: 0 when it was ended by a signal, 2 when the command line, the policy or a file cannot be used.
`;

interface ServeCommand {
  readonly listen: Address;
  readonly metrics: Address | undefined;
  readonly own: string;
  readonly policyFile: string | undefined;
  readonly signing: SigningWay | undefined;
  readonly rememberMs: number;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** How long requests that are under way have when the proxy is to end, in milliseconds. */
const STOP_MS = 10_000;
/** How often the policy, the trusted root and the signing configuration are read again, in milliseconds. */
const REREAD_MS = 60 * 60_000;
/** What was read before is closed when nothing can be judged with it any more. */
const CLOSE_MS = 10 * 60_000;

/** The command `serve`. Resolves with the exit status, once the signal has ended it. Throws UsageError. */
export async function serve(
  args: readonly string[],
  io: CommandIo,
  limits: Partial<ProxyLimits> = {},
): Promise<number> {
  const command = readServeCommand(args, io.directory);
  if (command === "help") {
    io.stdout.write(HELP);
    return EXIT.well;
  }
  const noProxy = useProxies(io.environment);
  if (noProxy !== undefined) throw new UsageError(noProxy);
  const log = (entry: LogEntry) =>
    void io.stdout.write(`${JSON.stringify({ time: io.now().toISOString(), ...entry })}\n`);
  const secret = await usable(() => readSecret(command.signing, io));
  const read = () => openStandalone({ ...io, own: command.own, policyFile: command.policyFile, secret });
  const reread = keepReading(await usable(read), { read, log });
  const metrics = openMetrics();
  const upstreams = openUpstreams({
    policy: () => reread.current().policy,
    now: io.now,
    onRequest: ({ status }) => metrics.asked(status),
  });
  const judge = openTagJudge({
    standalone: reread.current,
    upstreams,
    clock: io.clock,
    rememberMs: command.rememberMs,
    onJudged({ judgement, digest }, tag) {
      const { verdict, outcome } = judgement;
      metrics.judged(verdict.kind, outcome);
      log({
        level: outcome === "pass" ? "info" : "warn",
        event: "judged",
        image: formatReference(tag),
        digest,
        verdict: verdict.kind,
        outcome,
        text: progressLine(judgement),
      });
    },
    onDefect: (error) => log({ level: "error", event: "not-judged", why: messageOf(error) }),
  });
  const { server, stop } = createProxy({ judge, upstreams, metrics, log, clock: io.clock, limits });
  const figures = command.metrics && metricsServer(metrics);
  try {
    const listening = await listen(server, command.listen);
    const shown = figures && command.metrics && (await listen(figures, command.metrics));
    log({
      level: "info",
      event: "listening",
      address: listening,
      metrics: shown,
      signer: nameOfSigner(secret),
    });
    warnOfNothing(reread.current(), secret, log);
    if (!io.signal.aborted) await once(io.signal, "abort");
    log({ level: "info", event: "stopping" });
    await stop(STOP_MS);
    return EXIT.well;
  } finally {
    figures?.closeAllConnections();
    figures?.close();
    server.closeAllConnections();
    server.close();
    reread.close();
    upstreams.close();
  }
}

function readServeCommand(args: readonly string[], directory: string): ServeCommand | "help" {
  const { values, switches, positionals } = readArguments(args, OPTIONS);
  if (switches.has("help")) return "help";
  const [extra] = positionals;
  if (extra !== undefined) throw new UsageError(`"${excerpt(extra)}" is not an option`);
  const { key, password, token } = values;
  const ways: readonly (SigningWay | false)[] = [
    key !== undefined && {
      kind: "key",
      file: resolve(directory, key),
      ...(password !== undefined && { passwordFile: resolve(directory, password) }),
    },
    token !== undefined && { kind: "token", file: resolve(directory, token) },
    switches.has("github") && { kind: "github" },
  ];
  const [signing, other] = ways.filter((way) => way !== false);
  if (other !== undefined) throw new UsageError('give one of "--key", "--token" and "--github"');
  if (password !== undefined && key === undefined) throw new UsageError('"--password" is that of a "--key"');
  return {
    listen: readAddress(values.listen ?? "127.0.0.1:5000", "--listen"),
    metrics:
      values["metrics-listen"] === undefined
        ? undefined
        : readAddress(values["metrics-listen"], "--metrics-listen"),
    own: values.config === undefined ? OWN_CONFIGURATION : resolve(directory, values.config),
    policyFile: values.policy,
    signing,
    rememberMs: readDuration(values.remember ?? "30s", { name: "--remember", from: "0s", to: "5m" }),
  };
}

function readAddress(text: string, option: string): Address {
  const [, bracketed, plain, port = ""] = /^(?:\[([0-9a-f:.]+)\]|([\w.-]+)):(\d{1,5})$/i.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65_535)
    throw new UsageError(
      `"${option}": "${excerpt(text)}" is not an address and a port, as in "0.0.0.0:5000"`,
    );
  return { host, port: Number(port) };
}

async function readSecret(
  way: SigningWay | undefined,
  { environment, now, signal }: CommandIo,
): Promise<SigningSecret | undefined> {
  return way && readSigning(way, { environment, now, signal });
}

function nameOfSigner(secret: SigningSecret | undefined): string {
  if (secret?.key !== undefined) return signerName(parsePublicKey(secret.key.publicKey));
  if (secret?.identity !== undefined) return signerName(parseIdentity(secret.identity.claims));
  return "none";
}

/** Says so when no tag can ever be refused. */
function warnOfNothing(
  { policy }: Standalone,
  secret: SigningSecret | undefined,
  log: (entry: LogEntry) => void,
): void {
  if (secret !== undefined || policy.trust.length > 0 || policy.ledgers.length > 0) return;
  const why =
    "nobody's records count: name signers under trust or ledgers in the policy, or give a key; until then every tag is let through";
  log({ level: "warn", event: "unprotected", why });
}

/** What is judged with: read again now and then, because logs and authorities change; what was read last stays where that fails. */
function keepReading(
  first: Standalone,
  { read, log }: { readonly read: () => Promise<Standalone>; readonly log: (entry: LogEntry) => void },
): { readonly current: () => Standalone; readonly close: () => void } {
  let current = first;
  let isClosed = false;
  const timer = setInterval(() => {
    read().then(
      (next) => {
        const { close } = isClosed ? next : current;
        if (!isClosed) current = next;
        setTimeout(close, isClosed ? 0 : CLOSE_MS).unref();
      },
      (error: unknown) => log({ level: "error", event: "not-read-again", why: messageOf(error) }),
    );
  }, REREAD_MS);
  timer.unref();
  return {
    current: () => current,
    close() {
      isClosed = true;
      clearInterval(timer);
      current.close();
    },
  };
}

/** Throws UsageError for what is wrong with a file that the command line names. */
async function usable<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError || !(error instanceof Error)) throw error;
    throw new UsageError(error.message, { cause: error });
  }
}

async function listen(server: Server, { host, port }: Address): Promise<string> {
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    throw new UsageError(`cannot listen on "${host}:${port}": ${messageOf(error)}`, { cause: error });
  }
  const { address, port: bound, family } = server.address() as AddressInfo;
  return family === "IPv6" ? `[${address}]:${bound}` : `${address}:${bound}`;
}

/** Serves the figures to whoever may come to its address. */
function metricsServer(metrics: ProxyMetrics): Server {
  return createServer({ headersTimeout: 10_000, requestTimeout: 10_000 }, (incoming, outgoing) => {
    if (incoming.method !== "GET" || incoming.url !== "/metrics") {
      outgoing.writeHead(404, { connection: "close" }).end();
      return;
    }
    metrics.text().then(
      ({ type, body }) => outgoing.writeHead(200, { "content-type": type }).end(body),
      () => outgoing.destroy(),
    );
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

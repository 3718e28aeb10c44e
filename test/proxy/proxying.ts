// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { CommandIo } from "../../src/program/command-line.ts";
import { serve } from "../../src/proxy/command.ts";
import type { ProxyLimits } from "../../src/proxy/server.ts";
import { type Observing, startObserving } from "../observer/observing.ts";

/** A proxy that runs, in this process. */
export interface RunningProxy {
  readonly host: string;
  readonly port: number;
  /** What it logged so far. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  /** Ends it as a signal does; resolves with the exit status. */
  stop(): Promise<number>;
}

export interface ProxyParts {
  readonly policy?: string;
  /** Whether it signs with `observer.pem`; default true. */
  readonly signs?: boolean;
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly limits?: Partial<ProxyLimits>;
  /** Milliseconds that are added to its clock. */
  readonly ahead?: () => number;
}

/** What a client got. */
export interface Pulled {
  readonly status: number;
  readonly reason: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** The development Sigstore, a registry in memory that the proxies' policy names, and proxies. */
export interface Proxying extends Observing {
  /** The policy of the proxies, as text; `more` are more lines. */
  policy(more?: string): string;
  proxy(parts?: ProxyParts): Promise<RunningProxy>;
  /** The path of something in the registry: `team/app/manifests/1.4.2`. */
  path(rest: string): string;
}

const SHIPPED = new URL("../../dist", import.meta.url).pathname;

/** Starts them; the test's end ends them. */
export async function startProxying(): Promise<Proxying> {
  const at = await startObserving();
  onTestFinished(at.close);
  const policy = (more = "") => `
version: 1
logs: [{ url: "${at.sigstore.url}", api: 1 }]
registries: [{ host: "${at.registry.host}", plain-http: true }]
rules: [{ match: "${at.registry.host}/**", private: true }]
timeout: 2
${more}
`;
  let proxies = 0;
  return {
    ...at,
    policy,
    path: (rest) => `/v2/${at.registry.host}/${rest}`,
    async proxy({ signs = true, args = [], environment = {}, limits = {}, ahead = () => 0, ...parts } = {}) {
      const name = `policy-${++proxies}.yaml`;
      writeFileSync(join(at.directory, name), parts.policy ?? policy());
      const ending = new AbortController();
      const log: Record<string, unknown>[] = [];
      let hear: () => void = () => undefined;
      const io: CommandIo = {
        stdout: {
          write(text) {
            log.push(JSON.parse(text) as Record<string, unknown>);
            hear();
          },
        },
        stderr: { write: () => undefined },
        environment,
        directory: at.directory,
        shipped: SHIPPED,
        now: () => new Date(),
        clock: () => performance.now() + ahead(),
        pause: async () => undefined,
        signal: ending.signal,
      };
      const given = ["--listen", "127.0.0.1:0", "--config", "sigstore", "--policy", name];
      const ended = serve([...given, ...(signs ? ["--key", "observer.pem"] : []), ...args], io, limits);
      ended.catch(() => undefined);
      const stop = async () => {
        ending.abort();
        return ended;
      };
      onTestFinished(async () => void (await stop().catch(() => undefined)));
      const address = () => log.find(({ event }) => event === "listening")?.["address"] as string | undefined;
      while (address() === undefined)
        await Promise.race([new Promise<void>((resolve) => (hear = resolve)), ended.then(() => undefined)]);
      const host = address() ?? "";
      return { host, port: Number(host.split(":").at(-1)), log, stop };
    },
  };
}

/** Pulls, with the path as it is written here. */
export async function pull(
  { port }: Pick<RunningProxy, "port">,
  path: string,
  {
    method = "GET",
    headers = {},
  }: { readonly method?: string; readonly headers?: Record<string, string> } = {},
): Promise<Pulled> {
  const outgoing = request({ host: "127.0.0.1", port, path, method, headers, agent: false });
  outgoing.end();
  const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  return {
    status: incoming.statusCode ?? 0,
    reason: incoming.statusMessage ?? "",
    headers: incoming.headers as Record<string, string>,
    body: Buffer.concat(chunks),
  };
}

/** The first error in an answer. */
export function errorIn({ body }: Pulled): {
  readonly code: string;
  readonly message: string;
  readonly detail?: unknown;
} {
  const { errors } = JSON.parse(body.toString("utf8")) as { errors: [{ code: string; message: string }] };
  return errors[0];
}

// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Registry } from "../lab/registry.ts";

/** One request as a registry sees it that decides what to answer. */
export interface Asked {
  readonly method: string;
  readonly kind: "manifests" | "blobs";
  /** The repository, without what stands before it for the case. */
  readonly repository: string;
  /** A tag or a digest. */
  readonly name: string;
  readonly agent: string;
  /** How often the same was asked before, by the same method. */
  readonly before: number;
}

/** Another answer than the true one. */
export interface Lie {
  /** What the lab's registry has under this name instead, of the same kind. */
  readonly as?: string;
  readonly status?: number;
  readonly body?: string;
  /** Headers in the place of the true ones; undefined takes one away. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly delayMs?: number;
}

/** Says how to answer; undefined tells the truth. */
export type Lies = (asked: Asked) => Lie | undefined;

/** A registry in front of the lab's that lies about some repositories. */
export interface LyingRegistry {
  readonly address: string;
  /** From now on requests for repositories that begin so are answered by this rule. */
  lie(repositories: string, lies: Lies): void;
  close(): Promise<void>;
}

const PATH = /^\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)$/;

/** Starts one. */
export async function startLyingRegistry(registry: Registry): Promise<LyingRegistry> {
  const rules = new Map<string, Lies>();
  const counts = new Map<string, number>();
  const lieFor = (incoming: IncomingMessage): Lie | undefined => {
    const [, path = "", kind = "", name = ""] = PATH.exec(decodeURI(incoming.url ?? "")) ?? [];
    const rule = [...rules].find(([repositories]) => path.startsWith(repositories));
    if (rule === undefined || (kind !== "manifests" && kind !== "blobs")) return undefined;
    const method = incoming.method ?? "";
    const key = `${method} ${incoming.url}`;
    const before = counts.get(key) ?? 0;
    counts.set(key, before + 1);
    const agent = incoming.headers["user-agent"] ?? "";
    return rule[1]({ method, kind, repository: path.slice(rule[0].length), name, agent, before });
  };
  const server = createServer((incoming, outgoing) => void answer(registry, incoming, outgoing, lieFor));
  await new Promise<void>((listening) => server.listen(0, registry.hostname, listening));
  const { port } = server.address() as AddressInfo;
  return {
    address: `${registry.hostname}:${port}`,
    lie: (repositories, lies) => void rules.set(repositories, lies),
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  registry: Registry,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  lieFor: (incoming: IncomingMessage) => Lie | undefined,
): Promise<void> {
  const lie = lieFor(incoming) ?? {};
  if (lie.delayMs !== undefined) await sleep(lie.delayMs);
  if (lie.status !== undefined) {
    outgoing.writeHead(lie.status, present(lie.headers));
    outgoing.end(incoming.method === "HEAD" ? undefined : lie.body);
    return;
  }
  const path = lie.as === undefined ? incoming.url : incoming.url?.replace(/[^/]+$/, lie.as);
  const { hostname, port } = registry;
  const onward = request(
    { hostname, port, method: incoming.method, path, headers: incoming.headers, agent: false },
    (answered) => {
      outgoing.writeHead(answered.statusCode ?? 502, present({ ...answered.headers, ...lie.headers }));
      answered.pipe(outgoing);
    },
  );
  onward.on("error", () => outgoing.destroy());
  incoming.pipe(onward);
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

function present(headers: Headers = {}): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === "string" ? value : [...value]]],
    ),
  );
}

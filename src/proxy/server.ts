// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { getRequestListener, type HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { Hono } from "hono";
import { excerpt } from "../log/excerpt.ts";
import { type Answer, answerBundle, answerManifest, answerTag, printable } from "./answers.ts";
import { type Asked, BUNDLES, readAsked } from "./asked.ts";
import { CutOffError, type Pace, sendBlob } from "./blobs.ts";
import { ProxyError } from "./error.ts";
import { openFairTurns } from "./fair-turns.ts";
import type { TagJudge } from "./judging.ts";
import type { ProxyMetrics, RequestKind } from "./metrics.ts";
import type { Upstreams } from "./upstreams.ts";

/** What a client may take up. */
export interface ProxyLimits {
  /** How many requests of one address are answered at once, and how many more wait. */
  readonly atOnce: number;
  readonly waiting: number;
  readonly pace: Pace;
  /** How long a client may take to send the head of a request, in milliseconds. */
  readonly headMs: number;
  /** How long a connection may be silent, in milliseconds; longer than a judgement may take. */
  readonly idleMs: number;
}

export const LIMITS: ProxyLimits = {
  atOnce: 64,
  waiting: 2_000,
  pace: { everyMs: 60_000, minBytes: 64 * 1024 },
  headMs: 10_000,
  idleMs: 150_000,
};

/** Something that happened, as one line of the log. */
export type LogEntry = Readonly<Record<string, string | number | boolean | undefined>> & {
  readonly level: "info" | "warn" | "error";
  readonly event: string;
};

export interface ProxyServerOptions {
  readonly judge: TagJudge;
  readonly upstreams: Upstreams;
  readonly metrics: ProxyMetrics;
  readonly log: (entry: LogEntry) => void;
  /** Milliseconds that only grow. */
  readonly clock: () => number;
  readonly limits?: Partial<ProxyLimits>;
}

/** The most connections; each takes some memory, whatever it does. */
const MAX_CONNECTIONS = 4_096;
const MAX_HEAD_BYTES = 16 * 1024;
const COMMON = {
  "docker-distribution-api-version": "registry/2.0",
  "x-content-type-options": "nosniff",
} as const;
const JSON_TYPE = { "content-type": "application/json" } as const;
const READ = new Set(["GET", "HEAD"]);

/** A proxy that is not listening yet. */
export interface ProxyServer {
  readonly server: Server;
  /** Takes no more connections, finishes what is under way, and cuts off what is not done in so many milliseconds. */
  stop(ms: number): Promise<void>;
}

/** Makes the server of the distribution API, and of `/healthz` and `/readyz`. */
export function createProxy(options: ProxyServerOptions): ProxyServer {
  const { judge, upstreams, metrics, log, clock } = options;
  const limits = { ...LIMITS, ...options.limits };
  const clients = openFairTurns({ ...limits, what: "requests from one address" });
  let isStopping = false;

  /** Answers one request, and notes how. */
  const serve = async (
    { incoming, outgoing }: HttpBindings,
    kindOf: () => RequestKind,
    work: (signal: AbortSignal) => Promise<Answer | undefined>,
  ): Promise<Response> => {
    const begun = clock();
    const gone = new AbortController();
    const { method = "", url = "", socket } = incoming;
    const client = socket.remoteAddress ?? "";
    outgoing.once("close", () => {
      gone.abort();
      const ms = clock() - begun;
      const status = outgoing.headersSent ? outgoing.statusCode : 499;
      metrics.answered(kindOf(), status, ms / 1_000);
      metrics.underWay(clients.underWay);
      log({
        level: "info",
        event: "request",
        client,
        method,
        path: shownPath(url),
        status,
        complete: outgoing.writableFinished,
        milliseconds: Math.round(ms),
      });
    });
    try {
      const answer = await clients.take(client, gone.signal, () => {
        metrics.underWay(clients.underWay);
        return work(gone.signal);
      });
      if (answer !== undefined) send(outgoing, answer, { method, isLast: isStopping });
    } catch (error) {
      fail(error, { incoming, outgoing });
    }
    return RESPONSE_ALREADY_SENT;
  };

  const fail = (error: unknown, { incoming, outgoing }: HttpBindings): void => {
    const { method = "", url = "" } = incoming;
    if (error instanceof CutOffError) {
      metrics.cutOff();
      log({ level: "warn", event: "cut-off", path: shownPath(url), why: error.message });
      return;
    }
    if (!(error instanceof ProxyError)) {
      // Its text could hold anything.
      const name = error instanceof Error ? error.name : typeof error;
      log({ level: "error", event: "defect", path: shownPath(url), why: name });
    }
    if (outgoing.headersSent) {
      outgoing.destroy();
      return;
    }
    const told =
      error instanceof ProxyError ? error : new ProxyError("UNKNOWN", "the proxy failed on its own");
    sendError(outgoing, told, { method, isLast: isStopping });
  };

  const pull = (asked: Asked, { incoming, outgoing }: HttpBindings, signal: AbortSignal) => {
    const { accept, range } = incoming.headers;
    const answering = { judge, upstreams, signal };
    switch (asked.kind) {
      case "tag":
        return answerTag(asked, accept, answering);
      case "manifest":
        return answerManifest(asked, accept, answering);
      case "bundle":
        return answerBundle(asked, answering);
      case "blob": {
        const method = incoming.method === "HEAD" ? "HEAD" : "GET";
        const { pace } = limits;
        return sendBlob(asked, { method, range, upstreams, outgoing, pace, headers: COMMON, signal }).then(
          () => undefined,
        );
      }
    }
  };

  const app = new Hono<{ Bindings: HttpBindings }>();
  const other = (): RequestKind => "other";
  const text = (status: number, body: string): Answer => ({
    status,
    headers: { "content-type": "text/plain; charset=utf-8" },
    body,
  });
  app.get("/healthz", (c) => serve(c.env, other, async () => text(200, "ok\n")));
  app.get("/readyz", (c) =>
    serve(c.env, other, async () => (isStopping ? text(503, "stopping\n") : text(200, "ok\n"))),
  );
  const api = { status: 200, headers: JSON_TYPE, body: "{}" };
  for (const path of ["/v2", "/v2/"]) app.get(path, (c) => serve(c.env, other, async () => api));
  for (const path of ["/v2/*", `${BUNDLES}*`])
    app.get(path, (c) => {
      let kind: RequestKind = "other";
      return serve(
        c.env,
        () => kind,
        async (signal) => {
          // As it was sent: a framework resolves dots and may decode what is encoded.
          const asked = readAsked(c.env.incoming.url ?? "");
          if (asked === undefined) throw unknownPath();
          ({ kind } = asked);
          return pull(asked, c.env, signal);
        },
      );
    });
  app.notFound((c) =>
    serve(c.env, other, async () => {
      throw unknownPath();
    }),
  );

  // Not for bodies: what it does when one of them fails is to write the error behind it.
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server = createServer(
    {
      headersTimeout: limits.headMs,
      requestTimeout: limits.headMs,
      connectionsCheckingInterval: Math.min(limits.headMs, 5_000),
      keepAliveTimeout: 75_000,
      maxHeaderSize: MAX_HEAD_BYTES,
    },
    (incoming, outgoing) => {
      const refused = whyRefused(incoming);
      if (refused === undefined) void listener(incoming, outgoing);
      else sendError(outgoing, refused, { method: incoming.method ?? "", isLast: true });
    },
  );
  server.timeout = limits.idleMs;
  server.maxConnections = MAX_CONNECTIONS;
  return {
    server,
    async stop(ms) {
      isStopping = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const timer = setTimeout(() => server.closeAllConnections(), ms);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** Why a request is not even looked at: it is not a pull, or it has a body. */
function whyRefused({ method = "", headers }: IncomingMessage): ProxyError | undefined {
  if (!READ.has(method))
    return new ProxyError(
      "UNSUPPORTED",
      `"${excerpt(method, 20)}" is not for a proxy that serves pulls alone`,
      {
        headers: { allow: "GET, HEAD" },
      },
    );
  const { "content-length": length = "0", "transfer-encoding": encoding } = headers;
  return length === "0" && encoding === undefined
    ? undefined
    : new ProxyError("UNSUPPORTED", "a pull has no body");
}

function unknownPath(): ProxyError {
  return new ProxyError(
    "NAME_UNKNOWN",
    "this proxy serves /v2/NAME/manifests/TAG-OR-DIGEST and /v2/NAME/blobs/DIGEST",
  );
}

interface Sending {
  readonly method: string;
  /** Whether the connection ends with it. */
  readonly isLast: boolean;
}

function sendError(outgoing: ServerResponse, error: ProxyError, sending: Sending): void {
  const words = error.code.toLowerCase().replaceAll("_", " ");
  const headers = { ...error.headers, ...JSON_TYPE, "cache-control": "no-store" };
  // An answer to HEAD has no other place for it, and clients show the status line.
  const reason = printable(`${words}: ${error.message}`);
  send(outgoing, { status: error.status, headers, body: error.body }, { ...sending, reason });
}

function send(
  outgoing: ServerResponse,
  { status, headers, body }: Answer,
  { method, isLast, reason }: Sending & { readonly reason?: string },
): void {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  if (reason !== undefined) outgoing.statusMessage = reason;
  outgoing.writeHead(status, {
    ...COMMON,
    ...headers,
    "content-length": bytes.length,
    ...(isLast && { connection: "close" }),
  });
  outgoing.end(method === "HEAD" ? undefined : bytes);
}

/** A path without its query, which may hold what is nobody's business. */
function shownPath(url: string): string {
  return excerpt(url.split("?", 1)[0] ?? "", 300);
}

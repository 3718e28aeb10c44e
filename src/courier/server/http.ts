// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import type { LookupFunction } from "node:net";
import { request as requestHttps, Agent as HttpsAgent } from "node:https";
import { setTimeout as pause } from "node:timers/promises";
import { excerpt } from "../../log/excerpt.ts";
import { Failure } from "./failure.ts";

// An import would touch every export of node:http, and its WebSocket loads all of undici: 25 ms at every start.
const { Agent: HttpAgent, request: requestHttp } = process.getBuiltinModule("node:http");

/** One HTTP request with all its bounds. */
export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** The largest answer that is read, in bytes. */
  readonly maxBytes: number;
  /** Ends everything about this request, its repetitions included. */
  readonly signal: AbortSignal;
  /**
   * How often it is asked at most, when there is no answer, or 429 or 5xx. Only what may be asked twice without
   * harm may have more than 1. Default: 4 for GET and HEAD, 1 for POST and PUT.
   */
  readonly attempts?: number;
  /** Whether an answer of 429 is taken for one, and not asked again. */
  readonly isPolite?: boolean;
  /** The connections that it goes over; those that are shared by all when left out. */
  readonly connections?: Connections;
}

/** Connections that are used for nothing else. */
export interface Connections {
  readonly http: InstanceType<typeof HttpAgent>;
  readonly https: HttpsAgent;
}

/** Opens connections whose names are looked up by this function; proxies and certificates are those of all others. */
export function openConnections(lookup: LookupFunction): Connections & { close(): void } {
  const { globalAgent: shared } = process.getBuiltinModule("node:https");
  const connections = {
    http: new HttpAgent({ keepAlive: true, proxyEnv: shared.options.proxyEnv, lookup }),
    https: new HttpsAgent({ ...shared.options, lookup }),
  };
  return {
    ...connections,
    close: () => [connections.http, connections.https].forEach((agent) => agent.destroy()),
  };
}

/** What a server answered, of whatever status. */
export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case; several headers of one name are joined by `, `. */
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

/** No whole answer to an HTTP request. One that is too large is a bad answer; after the others, asking again may help. */
export class HttpError extends Failure {
  override readonly name = "HttpError";
  /**
   * `no-connection` (name, connection, TLS or not HTTP), `timeout` (the signal ended it), `too-large` (more than
   * maxBytes), `truncated` (the connection ended before the answer did).
   */
  readonly reason: "no-connection" | "timeout" | "too-large" | "truncated";
  constructor(reason: HttpError["reason"], message: string, options?: ErrorOptions) {
    super(reason === "too-large" ? "bad-answer" : "unreachable", message, options);
    this.reason = reason;
  }
}

/** A name that leads to no public address where one is wanted: what a lookup fails with. Nothing was sent there. */
export class NotPublicError extends Failure {
  override readonly name = "NotPublicError";
  readonly hostname: string;
  constructor(hostname: string) {
    super("not-public", `"${excerpt(hostname, 300)}" leads to no public address`);
    this.hostname = hostname;
  }
}

/** An answer that is no redirect, and the URL that gave it. */
export interface FollowedAnswer {
  readonly answer: HttpAnswer;
  readonly from: URL;
}

/** An answer of whatever status whose body comes as it is read. Whoever has it reads the body or destroys it. */
export interface OpenedAnswer extends Pick<HttpAnswer, "status" | "headers"> {
  readonly body: IncomingMessage;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 3_000;
const MAX_REDIRECTS = 3;

/**
 * Asks, and asks again with growing pauses where that is allowed and useful. Answers of every status come back
 * as answers; redirects are not followed. Throws HttpError.
 */
export async function sendHttp(request: HttpRequest): Promise<HttpAnswer> {
  const attempts = request.attempts ?? (request.method === "GET" || request.method === "HEAD" ? 4 : 1);
  for (let attempt = 1; ; attempt++) {
    const outcome = await sendOnce(request).catch((error: unknown) => {
      if (error instanceof HttpError) return error;
      throw error;
    });
    const again =
      attempt < attempts && isPassing(outcome, request) && (await waited(attempt, outcome, request.signal));
    if (again) continue;
    if (outcome instanceof HttpError) throw outcome;
    return outcome;
  }
}

/**
 * GET or HEAD, with at most three redirects, each to a URL of which `objection` says nothing; what it says goes on from the URL.
 * `authorization` is for the first URL's origin and sent to no other. `send` sends each of the requests. Throws HttpError, what
 * `send` throws, and Failure `bad-answer` for a redirect that is not followed.
 */
export function followRedirects(
  request: HttpRequest & { readonly authorization?: string | undefined },
  objection: (next: URL) => string | undefined,
  send: (request: HttpRequest) => Promise<HttpAnswer> = sendHttp,
): Promise<FollowedAnswer> {
  return followWithin(request, { objection, isWithin: () => true }, send);
}

/** Where redirects may lead, and how far they are followed. */
export interface Following {
  readonly objection: (next: URL) => string | undefined;
  /** Whether this URL is asked; one that is not is the end of the way. */
  readonly isWithin: (next: URL) => boolean;
}

/** The same as far as redirects stay within: one that leads out, to which there is no objection either, is `next`. */
export async function followWithin<Answer extends Pick<HttpAnswer, "status" | "headers">>(
  { authorization, ...request }: HttpRequest & { readonly authorization?: string | undefined },
  { objection, isWithin }: Following,
  send: (request: HttpRequest) => Promise<Answer>,
): Promise<{ readonly answer: Answer; readonly from: URL; readonly next?: URL }> {
  let { url } = request;
  for (let redirects = 0; ; redirects++) {
    const known = authorization !== undefined && url.origin === request.url.origin;
    const headers = { ...request.headers, ...(known && { authorization }) };
    const answer = await send({ ...request, url, headers });
    const location = answer.headers["location"];
    if (!isRedirect(answer) || location === undefined) return { answer, from: url };
    const refused = (why: string) =>
      new Failure(
        "bad-answer",
        `${request.method} ${shownUrl(url)}: status ${answer.status}: redirects ${why}`,
      );
    const next = URL.parse(location, url.href);
    if (next === null) throw refused("to what is no URL");
    if (redirects === MAX_REDIRECTS) throw refused(`more than ${MAX_REDIRECTS} times`);
    const wrong = objection(next);
    // The host alone: whatever else of it the server chose is not for anybody's screen.
    if (wrong !== undefined) throw refused(`to "${excerpt(next.host, 300)}", ${wrong}`);
    if (!isWithin(next)) return { answer, from: url, next };
    url = next;
  }
}

/** Whether an answer says that what was asked for is elsewhere. */
export function isRedirect({ status }: Pick<HttpAnswer, "status">): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/** The part of a URL that may be shown: the query can hold tokens. */
export function shownUrl(url: URL): string {
  return excerpt(`${url.protocol}//${url.host}${url.pathname}`, 300);
}

/** The media type of an answer, lower case and without its parameters; empty when it names none. */
export function mediaTypeOf(answer: HttpAnswer): string {
  return (answer.headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

function isPassing(outcome: HttpAnswer | HttpError, { isPolite = false }: HttpRequest): boolean {
  if (outcome instanceof HttpError)
    return outcome.reason === "no-connection" || outcome.reason === "truncated";
  return (outcome.status === 429 && !isPolite) || outcome.status >= 500;
}

/** False when the deadline came first: then the last outcome says more than "too late". */
async function waited(
  attempt: number,
  outcome: HttpAnswer | HttpError,
  signal: AbortSignal,
): Promise<boolean> {
  const asked = outcome instanceof HttpError ? undefined : outcome.headers["retry-after"];
  const wished = asked !== undefined && /^\d{1,4}$/.test(asked) ? Number(asked) * 1_000 : 0;
  // Many builds fail at the same moment when a log restarts; the random part keeps them from coming back together.
  const backOff = FIRST_PAUSE_MS * 3 ** (attempt - 1) * (0.75 + Math.random() / 2);
  try {
    await pause(Math.min(Math.max(wished, backOff), LONGEST_PAUSE_MS), undefined, { signal });
    return true;
  } catch {
    return false;
  }
}

/**
 * Asks once, and gives the answer as soon as its head is there, which has to come within `headMs`; the signal ends its body too. Throws
 * HttpError.
 */
export function openHttp({
  headMs,
  ...request
}: HttpRequest & { readonly headMs: number }): Promise<OpenedAnswer> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), headMs);
  const signal = AbortSignal.any([request.signal, late.signal]);
  return dispatch({ ...request, signal }, async (body) => {
    // Whoever reads it hears of it; and a body that nobody reads any more ends nothing.
    body.on("error", () => undefined);
    return { status: body.statusCode ?? 0, headers: flat(body), body };
  }).finally(() => clearTimeout(timer));
}

function sendOnce(request: HttpRequest): Promise<HttpAnswer> {
  return dispatch(request, async (incoming, what) => {
    const bytes = await readBody(incoming, request.maxBytes, what);
    return { status: incoming.statusCode ?? 0, headers: flat(incoming), bytes };
  });
}

/** Sends a request, and reads its answer; `what` is how messages name the request. Throws HttpError. */
function dispatch<Answer>(
  request: HttpRequest,
  read: (incoming: IncomingMessage, what: string) => Promise<Answer>,
): Promise<Answer> {
  const { method, url, body, signal, connections } = request;
  const what = `${method} ${shownUrl(url)}`;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) =>
      reject(error instanceof NotPublicError ? error : asHttpError(error, what, signal));
    if (url.protocol !== "https:" && url.protocol !== "http:") {
      fail(new HttpError("no-connection", `${what}: "${excerpt(url.protocol)}" is not https: or http:`));
      return;
    }
    const headers = {
      "user-agent": "tlog-dockerfile",
      "accept-encoding": "identity",
      ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
      ...request.headers,
    };
    try {
      const outgoing = (url.protocol === "https:" ? requestHttps : requestHttp)(url, {
        method,
        headers,
        signal,
        agent: connections && (url.protocol === "https:" ? connections.https : connections.http),
      });
      outgoing.on("error", fail);
      outgoing.on("response", (incoming) => void read(incoming, what).then(resolve, fail));
      outgoing.end(body);
    } catch (error) {
      fail(error);
    }
  });
}

function readBody(incoming: IncomingMessage, maxBytes: number, what: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const tooLarge = () => {
      reject(new HttpError("too-large", `${what}: the answer is larger than ${maxBytes} bytes`));
      incoming.destroy();
    };
    // Of an answer to HEAD it is the length of what is not sent.
    if (!what.startsWith("HEAD ") && Number(incoming.headers["content-length"] ?? 0) > maxBytes) {
      tooLarge();
      return;
    }
    const chunks: Buffer[] = [];
    let size = 0;
    incoming.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) tooLarge();
      else chunks.push(chunk);
    });
    const cutOff = (cause?: Error) =>
      reject(new HttpError("truncated", `${what}: the answer ended after ${size} bytes`, { cause }));
    incoming.on("error", cutOff);
    incoming.on("close", () => (incoming.complete ? resolve(Buffer.concat(chunks)) : cutOff()));
  });
}

function flat(incoming: IncomingMessage): Record<string, string> {
  const headers = Object.entries(incoming.headers).map(([name, value]): [string, string] => [
    name,
    Array.isArray(value) ? value.join(", ") : (value ?? ""),
  ]);
  return Object.fromEntries(headers);
}

function asHttpError(error: unknown, what: string, signal: AbortSignal): HttpError {
  // Node tears the socket down on abort, which can look like any other error.
  if (signal.aborted) return new HttpError("timeout", `${what}: no answer in time`, { cause: error });
  if (error instanceof HttpError) return error;
  return new HttpError("no-connection", `${what}: ${reasonOf(error)}`, { cause: error });
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "the connection failed";
  // Node tries several addresses of a name and then has a message for none of them.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  const message = error.message || (first instanceof Error ? first.message : "");
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return excerpt(message || code || "the connection failed", 200);
}

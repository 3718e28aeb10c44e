// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "./excerpt.ts";

/** One HTTP request to a log, with its bounds; `attempts` above 1 allows repeating it when that may help. */
export interface LogRequest {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly attempts: number;
}

/** Which log, until when. */
export interface LogCall {
  /** As `logUrl` gives it. */
  readonly log: URL;
  readonly signal: AbortSignal;
}

/** What a log answered, of whatever status; header names in lower case. */
export interface LogAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array;
}

/**
 * The way to a log. Rejects when there is no whole answer; with an error whose `reason` is `too-large` when
 * there would be one of more than `maxBytes`.
 */
export type AskLog = (request: LogRequest) => Promise<LogAnswer>;

/**
 * A log's answer that is of no use: `unreachable` (429 or 5xx: it could not say), `refused` (another 4xx, or
 * a URL that we do not ask), `bad-answer` (what it said is no answer).
 */
export class LogError extends Error {
  override readonly name = "LogError";
  readonly code: "unreachable" | "refused" | "bad-answer";
  /** The HTTP status; 0 when it was not asked at all. */
  readonly status: number;
  constructor(code: LogError["code"], message: string, options?: ErrorOptions & { status?: number }) {
    super(message, options);
    this.code = code;
    this.status = options?.status ?? 0;
  }
}

/**
 * Reads the URL of a log: http or https and at most a path, given back with a slash at its end. Throws LogError
 * `refused`, which never shows credentials.
 */
export function logUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // Only the host is ever shown: anything else of a URL like this may be somebody's credentials.
  const shownHost = `log URL with host "${excerpt(url?.host ?? "")}"`;
  if (url?.username || url?.password) {
    throw new LogError("refused", `${shownHost} has credentials in it; remove them`);
  }
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== "" || url.hash !== "") {
    throw new LogError("refused", `${shownHost} is not of the form https://HOST or https://HOST/PATH`);
  }
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

/** A GET request of a path below the log's URL, which may be repeated. */
export function getRequest({ log, signal }: LogCall, path: string, maxBytes: number): LogRequest {
  const headers = { accept: "application/json" };
  return { method: "GET", url: new URL(path, log), headers, maxBytes, signal, attempts: 4 };
}

/** A POST request of JSON to a path below the log's URL, which is not repeated. */
export function postRequest(
  { log, signal }: LogCall,
  path: string,
  { body, maxBytes }: { readonly body: unknown; readonly maxBytes: number },
): LogRequest {
  return {
    method: "POST",
    url: new URL(path, log),
    headers: { accept: "application/json", "content-type": "application/json" },
    body: JSON.stringify(body),
    maxBytes,
    signal,
    attempts: 1,
  };
}

/** What a status that is no success means: the server could not answer, it said no, or it said what is no answer. */
export function failureByStatus(status: number): LogError["code"] {
  if (status === 429 || status >= 500) return "unreachable";
  return status >= 400 ? "refused" : "bad-answer";
}

/** Asks and reads the answer as JSON. Throws LogError, and what `ask` throws. */
export async function askJson(
  ask: AskLog,
  request: LogRequest,
): Promise<{ value: unknown; answer: LogAnswer }> {
  const answer = await ask(request);
  const { status } = answer;
  if (status < 200 || status >= 300) {
    throw new LogError(failureByStatus(status), `${asked(request)}: the log answered ${shown(answer)}`, {
      status,
    });
  }
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(answer.bytes));
    return { value, answer };
  } catch {
    throw badAnswer(request, answer, "is not JSON; is this the URL of a Rekor log?");
  }
}

/** The error for an answer that is JSON, but not the one asked for; `wrong` continues "the answer". */
export function badAnswer(request: LogRequest, answer: LogAnswer, wrong: string): LogError {
  return new LogError("bad-answer", `${asked(request)}: the answer ${wrong} (${shown(answer)})`, {
    status: answer.status,
  });
}

function asked({ method, url }: LogRequest): string {
  return `${method} ${excerpt(`${url.protocol}//${url.host}${url.pathname}`, 300)}`;
}

function shown({ status, headers, bytes }: LogAnswer): string {
  const type = headers["content-type"];
  const content = type === undefined ? "no content type" : `content type "${excerpt(type)}"`;
  return `status ${status}, ${content}, ${bytes.length === 0 ? "no body" : `"${excerpt(bytes)}"`}`;
}

/** Whether two URLs of a service are the same, however they are spelled. */
export function sameUrl(one: string, other: string): boolean {
  return plainUrl(one) === plainUrl(other);
}

/** A service's URL in the spelling of `URL`, without a slash at its end. */
export function plainUrl(url: string): string {
  return (URL.parse(url)?.href ?? url).replace(/\/+$/, "");
}

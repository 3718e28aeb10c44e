// SPDX-License-Identifier: Apache-2.0
import { sendHttp, type HttpAnswer } from "./http.ts";

/** What @sigstore/sign asks of make-fetch-happen. */
interface FetchOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The whole time there is, in milliseconds. */
  readonly timeout?: number;
}

/** What @sigstore/sign reads of an answer. */
interface FetchAnswer {
  readonly ok: boolean;
  readonly status: number;
  readonly statusText: string;
  readonly headers: { get(name: string): string | null };
  json(): Promise<unknown>;
  buffer(): Promise<Buffer>;
}

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * Stands in for make-fetch-happen, which @sigstore/sign requires: the same call over our own HTTP, so that every
 * answer is bounded in size and time and the 40 packages behind make-fetch-happen do not ship. Throws HttpError.
 */
async function fetchForSigstore(url: string, options: FetchOptions = {}): Promise<FetchAnswer> {
  const answer = await sendHttp({
    method: options.method === "GET" ? "GET" : "POST",
    url: new URL(url),
    headers: options.headers ?? {},
    ...(options.body === undefined ? {} : { body: options.body }),
    maxBytes: MAX_ANSWER_BYTES,
    signal: AbortSignal.timeout(options.timeout ?? DEFAULT_TIMEOUT_MS),
    // What is posted to a log is signed already, and a second time it answers 409. A certificate authority gives
    // two certificates, of which the first is lost.
    attempts: 3,
  });
  return asFetchAnswer(answer);
}

function asFetchAnswer({ status, headers, bytes }: HttpAnswer): FetchAnswer {
  return {
    ok: status >= 200 && status < 300,
    status,
    statusText: `status ${status}`,
    headers: { get: (name) => headers[name.toLowerCase()] ?? null },
    json: async () => JSON.parse(bytes.toString("utf8")) as unknown,
    buffer: async () => bytes,
  };
}

// CommonJS reads a module's default export where make-fetch-happen has its function.
// oxlint-disable-next-line import/no-default-export
export default fetchForSigstore;

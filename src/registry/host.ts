// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from "node:timers/promises";
import {
  followRedirects,
  followWithin,
  isRedirect,
  openHttp,
  sendHttp,
  shownUrl,
  type FollowedAnswer,
  type OpenedAnswer,
  type HttpAnswer,
  type HttpRequest,
} from "../courier/server/http.ts";
import { MAX_RETRY_AFTER } from "../courier/protocol.ts";
import { openReach, type Reach } from "../courier/server/reach.ts";
import { Turns } from "../courier/turns.ts";
import { asRegistryError, RegistryError } from "./error.ts";

/** One HTTP request that was sent, for figures. */
export interface CountedRequest {
  readonly method: HttpRequest["method"];
  /** Where it went: the registry's host, that of its tokens, or that of its storage. */
  readonly host: string;
  /** The answer's status; undefined when there was no whole answer. */
  readonly status: number | undefined;
  /** Bytes of the body that was sent. */
  readonly sent: number;
  /** Bytes of the body that came back. */
  readonly received: number;
}

/** What all hosts have in common. */
export interface HostOptions {
  /** How many calls are under way at once for one registry, each with one request at a time. Default: 4. */
  readonly concurrency?: number | ((registry: string) => number);
  /** The longest time that one request may take, in milliseconds, repetitions and pauses not counted. Default: two minutes. */
  readonly requestMs?: number;
  /** The time, in milliseconds since 1970. */
  readonly clock?: () => number;
  /** Waits so many milliseconds; rejects when the signal ends it. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly onRequest?: (counted: CountedRequest) => void;
  /** Whether only public addresses are connected to, whatever the registry's name is. Default: its name decides. */
  readonly isPublicWanted?: (registry: string) => boolean;
}

/** The longest time that one call waits altogether because the registry wants to be asked later, in milliseconds. */
const MAX_HELD_MS = 5 * 60_000;
const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 500;
/** The same where a registry wants fewer requests and does not say when. */
const FIRST_HOLD_MS = 5_000;
const DEFAULT_REQUEST_MS = 120_000;

/** A call of the client: everything that is sent for one answer. */
export interface Call {
  readonly signal: AbortSignal;
  /** How long it may still be held back, in milliseconds. */
  heldMs: number;
}

export type CallRequest = Pick<HttpRequest, "method" | "url" | "maxBytes"> &
  Partial<Pick<HttpRequest, "headers" | "body">>;

/**
 * One registry with all to which its answers lead. So many calls at once and no more, in which repositories take turns; when it wants
 * to be asked later, nothing is sent until then.
 */
export class Host {
  readonly reach: Reach;
  readonly clock: () => number;
  readonly #pause: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly #turns: Turns;
  readonly #requestMs: number;
  readonly #onRequest: (counted: CountedRequest) => void;
  #heldUntil = 0;

  constructor(registry: string, start: URL, options: HostOptions) {
    const isPublicWanted = options.isPublicWanted?.(registry) ?? false;
    this.reach = openReach({ registry, isPublicWanted, start });
    this.clock = options.clock ?? Date.now;
    this.#pause = options.pause ?? (async (ms, signal) => void (await sleep(ms, undefined, { signal })));
    const { concurrency = 4 } = options;
    this.#turns = new Turns(typeof concurrency === "number" ? concurrency : concurrency(registry));
    this.#requestMs = options.requestMs ?? DEFAULT_REQUEST_MS;
    this.#onRequest = options.onRequest ?? (() => undefined);
  }

  close(): void {
    this.reach.close();
  }

  /** Does the work in turn, and does it again with growing pauses when that may help. Throws RegistryError. */
  async call<T>(who: string, signal: AbortSignal, work: (call: Call) => Promise<T>): Promise<T> {
    const call: Call = { signal, heldMs: MAX_HELD_MS };
    for (let attempt = 1; ; attempt++) {
      try {
        // The place is the whole call's: otherwise all that wait would be told one after another that they need a token.
        return await this.#turns.take(who, signal, () => work(call));
      } catch (thrown) {
        const error = asRegistryError(thrown);
        if (!(error instanceof RegistryError) || attempt === ATTEMPTS || signal.aborted) throw error;
        if (error.code === "rate-limited") {
          if (error.retryAfter === undefined) this.#hold(FIRST_HOLD_MS * 3 ** (attempt - 1));
          else if (error.retryAfter * 1_000 > call.heldMs) throw error;
        } else if (error.code === "unreachable") {
          // Many observers fail at the same moment; the random part keeps them from coming back together.
          const ms = FIRST_PAUSE_MS * 3 ** (attempt - 1) * (0.75 + Math.random() / 2);
          if (!(await this.#paused(ms, signal))) throw error;
        } else throw error;
      }
    }
  }

  /** The answer of whatever status but 429 and 5xx, behind redirects for GET and HEAD. Throws RegistryError and HttpError. */
  async ask(
    call: Call,
    { authorization, ...request }: CallRequest & { readonly authorization?: string | undefined },
  ): Promise<FollowedAnswer> {
    const { signal } = call;
    if (request.method === "GET" || request.method === "HEAD") {
      return followRedirects({ ...request, authorization, signal }, this.reach.objection, (each) =>
        this.#send(call, each),
      );
    }
    const headers = { ...request.headers, ...(authorization !== undefined && { authorization }) };
    return { answer: await this.#send(call, { ...request, headers, signal }), from: request.url };
  }

  /**
   * The same of GET and HEAD, with a body that comes as it is read. A redirect to another host is not followed, but told as `next`;
   * the reach has no objection to it.
   */
  open(
    call: Call,
    { authorization, ...request }: CallRequest & { readonly authorization?: string | undefined },
  ): Promise<{ readonly answer: OpenedAnswer; readonly from: URL; readonly next?: URL }> {
    const { signal } = call;
    const { origin } = request.url;
    const following = {
      objection: this.reach.objection,
      isWithin: (next: URL) => next.origin === origin,
    };
    return followWithin({ ...request, authorization, signal }, following, async (each) => {
      await this.#waitOut(call, each);
      const { connections } = this.reach;
      const answer = await openHttp({ ...each, signal, headMs: this.#requestMs, connections });
      this.#onRequest({
        method: each.method,
        host: each.url.host,
        status: answer.status,
        sent: 0,
        received: 0,
      });
      try {
        this.#requireAttention(answer, each);
      } catch (error) {
        answer.body.destroy();
        throw error;
      }
      if (isRedirect(answer)) answer.body.destroy();
      return answer;
    });
  }

  async #send(call: Call, request: HttpRequest): Promise<HttpAnswer> {
    await this.#waitOut(call, request);
    const answer = await this.#sendNow(request);
    this.#requireAttention(answer, request);
    return answer;
  }

  async #sendNow(request: HttpRequest): Promise<HttpAnswer> {
    const { method, url, body } = request;
    let answer: HttpAnswer | undefined;
    try {
      answer = await sendHttp({
        ...request,
        signal: AbortSignal.any([request.signal, AbortSignal.timeout(this.#requestMs)]),
        attempts: 1,
        connections: this.reach.connections,
      });
      return answer;
    } finally {
      this.#onRequest({
        method,
        host: url.host,
        status: answer?.status,
        sent: body === undefined ? 0 : Buffer.byteLength(body),
        received: answer?.bytes.length ?? 0,
      });
    }
  }

  /** Throws RegistryError for an answer that says: not now. */
  #requireAttention(
    { status, headers }: Pick<HttpAnswer, "status" | "headers">,
    { method, url }: HttpRequest,
  ): void {
    if (status !== 429 && status < 500) return;
    const what = `${method} ${shownUrl(url)}: status ${status}`;
    const retryAfter = this.#secondsOf(headers["retry-after"]);
    if (retryAfter !== undefined) this.#hold(retryAfter * 1_000);
    if (status === 429 || (status === 503 && retryAfter !== undefined)) throw rateLimited(what, retryAfter);
    throw new RegistryError("unreachable", `${what}: the registry is in trouble; try again later`);
  }

  #hold(ms: number): void {
    this.#heldUntil = Math.max(this.#heldUntil, this.clock() + ms);
  }

  async #waitOut(call: Call, { method, url }: HttpRequest): Promise<void> {
    for (let ms = this.#heldUntil - this.clock(); ms > 0; ms = this.#heldUntil - this.clock()) {
      const waits = ms <= call.heldMs;
      call.heldMs -= waits ? ms : 0;
      if (!waits || !(await this.#paused(ms, call.signal))) {
        const what = `${method} ${shownUrl(url)}: not sent`;
        throw rateLimited(what, Math.ceil((this.#heldUntil - this.clock()) / 1_000));
      }
    }
  }

  /** False when the signal came first. */
  async #paused(ms: number, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#pause(ms, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    return !signal.aborted;
  }

  /** Of a Retry-After header (RFC 9110 section 10.2.3). */
  #secondsOf(header: string | undefined): number | undefined {
    if (header === undefined) return undefined;
    const at = Date.parse(header);
    const seconds = /^\d{1,12}$/.test(header) ? Number(header) : Math.ceil((at - this.clock()) / 1_000);
    return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 1), MAX_RETRY_AFTER);
  }
}

function rateLimited(what: string, retryAfter: number | undefined): RegistryError {
  const when = retryAfter === undefined ? "later" : `in ${retryAfter} seconds`;
  return new RegistryError("rate-limited", `${what}: the registry wants fewer requests; try again ${when}`, {
    retryAfter,
  });
}

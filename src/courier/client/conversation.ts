// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { excerpt } from "../../log/excerpt.ts";
import type { RawEntry } from "../../log/rekor-v1.ts";
import { Answer, MAX_ENTRIES, MAX_LINE_BYTES, type FailureCode, type Request } from "../protocol.ts";

/** Why the courier has no answer. `channel-broken`: it ended, or it broke the protocol, and is not asked again. */
export class CourierError extends Error {
  override readonly name = "CourierError";
  readonly code: FailureCode | "channel-broken";
  constructor(code: CourierError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The error for a courier that broke the protocol; `what` goes on from "the courier". */
export function channelBroken(what: string): CourierError {
  return new CourierError("channel-broken", `the courier ${what}`);
}

/** Both directions to the courier's process, as whoever started it gives them. */
export interface CourierPipe {
  /** Sends these bytes (UTF-8); the line has its LF already. */
  write(line: string): void | Promise<void>;
  /** Ends the courier's input, and with it the courier. */
  close(): void;
  /** What the courier says, line by line without LF. */
  readonly lines: AsyncIterable<string>;
}

/** The line that ends a request well. */
export type FinalAnswer = Exclude<Answer, { say: "ready" | "entries" | "failed" }>;

/** The courier's first line. */
export type ReadyAnswer = Extract<Answer, { say: "ready" }>;

// Distributes over the union, which plain Omit would melt into one shape.
type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

/** The most bytes of lines that one request may bring. */
const MAX_REQUEST_BYTES = 64 * 1024 * 1024;

interface Pending {
  readonly expected: FinalAnswer["say"];
  /** Undefined once the deadline has passed: what still comes is counted and dropped. */
  waiter?: { resolve(answer: FinalAnswer): void; reject(error: CourierError): void } | undefined;
  readonly take?: ((entries: readonly RawEntry[]) => void) | undefined;
  entries: number;
  bytes: number;
}

/**
 * Requests and their answers over one pipe. It takes the courier for hostile: one line that breaks the protocol ends
 * the conversation, and every request with it. All methods throw CourierError.
 */
export class Conversation {
  readonly #pipe: CourierPipe;
  readonly #pending = new Map<number, Pending>();
  readonly #ready = Promise.withResolvers<ReadyAnswer>();
  #wasReady = false;
  #broken: CourierError | undefined;
  #lastId = 0;

  constructor(pipe: CourierPipe) {
    this.#pipe = pipe;
    // Who never asks for `ready` must not die of its rejection.
    this.#ready.promise.catch(() => undefined);
    void this.#read();
  }

  /** The courier's first line. */
  ready(signal: AbortSignal): Promise<ReadyAnswer> {
    return before(signal, "start", this.#ready.promise);
  }

  /** Asks, and gives the answer that is `expected`; `take` gets the entries that come before it. */
  async ask<Say extends FinalAnswer["say"]>(
    request: WithoutId<Request>,
    expected: Say,
    { signal, take }: { readonly signal: AbortSignal; readonly take?: Pending["take"] },
  ): Promise<FinalAnswer & { say: Say }> {
    if (this.#broken !== undefined) throw this.#broken;
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<FinalAnswer>();
    const pending: Pending = { expected, take, waiter: { resolve, reject }, entries: 0, bytes: 0 };
    this.#pending.set(id, pending);
    this.#write(`${JSON.stringify({ id, ...request })}\n`);
    const answer = await before(signal, request.ask, promise).finally(() => {
      pending.waiter = undefined;
    });
    return answer as FinalAnswer & { say: Say };
  }

  /** Ends the courier; what is pending fails with this, and so does all that is asked later. */
  break(error: CourierError): void {
    if (this.#broken !== undefined) return;
    this.#broken = error;
    this.#ready.reject(error);
    for (const pending of this.#pending.values()) pending.waiter?.reject(error);
    this.#pending.clear();
    this.#pipe.close();
  }

  #write(line: string): void {
    const failed = (cause: unknown) =>
      this.break(new CourierError("channel-broken", "the courier takes no more requests", { cause }));
    try {
      Promise.resolve(this.#pipe.write(line)).catch(failed);
    } catch (cause) {
      failed(cause);
    }
  }

  async #read(): Promise<void> {
    try {
      for await (const line of this.#pipe.lines) {
        if (this.#broken !== undefined) return;
        this.#hear(line);
      }
      this.break(channelBroken("ended"));
    } catch (cause) {
      const why = excerpt(cause instanceof Error ? cause.message : "", 300);
      const error = new CourierError("channel-broken", `the courier cannot be understood: ${why}`, { cause });
      this.break(cause instanceof CourierError ? cause : error);
    }
  }

  #hear(line: string): void {
    const { answer, bytes } = readAnswer(line);
    if (answer.say === "ready") {
      if (this.#wasReady) throw channelBroken("said ready twice");
      this.#wasReady = true;
      this.#ready.resolve(answer);
      return;
    }
    if (!this.#wasReady) throw channelBroken(`said ${answer.say} before ready`);
    const pending = this.#pending.get(answer.id);
    if (pending === undefined) throw channelBroken(`answered request ${answer.id}, which is not open`);
    pending.bytes += bytes;
    if (pending.bytes > MAX_REQUEST_BYTES) {
      throw channelBroken(`answered more than ${MAX_REQUEST_BYTES} bytes to one request`);
    }
    if (answer.say === "entries") {
      if (pending.expected !== "found") throw channelBroken(`said entries where ${pending.expected} was due`);
      pending.entries += answer.entries.length;
      if (pending.entries > MAX_ENTRIES) throw channelBroken(`brought more than ${MAX_ENTRIES} entries`);
      if (pending.waiter !== undefined) pending.take?.(answer.entries);
      return;
    }
    if (answer.say !== "failed" && answer.say !== pending.expected) {
      throw channelBroken(`said ${answer.say} where ${pending.expected} was due`);
    }
    this.#pending.delete(answer.id);
    if (answer.say !== "failed") pending.waiter?.resolve(answer);
    else pending.waiter?.reject(new CourierError(answer.code, excerpt(answer.message, 2048)));
  }
}

function before<T>(signal: AbortSignal, ask: Request["ask"] | "start", answer: Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const late = () =>
    reject(
      new CourierError("unreachable", `the courier did not answer in time (${ask})`, {
        cause: signal.reason,
      }),
    );
  if (signal.aborted) late();
  signal.addEventListener("abort", late, { once: true });
  answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", late));
  return promise;
}

/** Reads one line of the courier's. Throws CourierError `channel-broken` for what is no answer. */
function readAnswer(line: string): { readonly answer: Answer; readonly bytes: number } {
  const bytes = Buffer.byteLength(line);
  if (bytes > MAX_LINE_BYTES)
    throw channelBroken(`said a line of ${bytes} bytes, more than ${MAX_LINE_BYTES}`);
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw channelBroken(`said something that is not JSON: "${excerpt(line)}"`);
  }
  const answer = v.safeParse(Answer, value);
  if (answer.success) return { answer: answer.output, bytes };
  const [issue] = answer.issues;
  throw channelBroken(
    `said something that is no answer (${excerpt(v.getDotPath(issue) ?? "the line")}): "${excerpt(line)}"`,
  );
}

// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { excerpt } from "../log/excerpt.ts";
import type { RawEntry } from "../log/rekor-v1.ts";
import { Answer, MAX_ENTRIES, MAX_LINE_BYTES, type FailureCode, type Request } from "./protocol.ts";

/** Both directions to the courier's process, as whoever started it gives them. */
export interface CourierPipe {
  /** Sends these bytes (UTF-8); the line has its LF already. */
  write(line: string): void | Promise<void>;
  /** Ends the courier's input, and with it the courier. */
  close(): void;
  /** What the courier says, line by line without LF. */
  readonly lines: AsyncIterable<string>;
}

/**
 * Who could sign: the SPKI PEM of the signing key, or whom the identity token names; or why they cannot. Nothing when no
 * secret was given.
 */
export interface Ready {
  readonly publicKey?: string | undefined;
  readonly identity?: { readonly issuer: string; readonly identity: string } | undefined;
  readonly signerProblem?: string | undefined;
}

/** The bytes that a registry served and the media type it gave them. */
export interface ServedManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

/** Why the courier has no answer. `channel-broken`: it ended, or it broke the protocol, and is not asked again. */
export class CourierError extends Error {
  override readonly name = "CourierError";
  readonly code: FailureCode | "channel-broken";
  constructor(code: CourierError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The most bytes of lines that one request may bring. */
const MAX_REQUEST_BYTES = 64 * 1024 * 1024;

type FinalAnswer = Exclude<Answer, { say: "ready" | "entries" | "failed" }>;

interface Pending {
  readonly expected: FinalAnswer["say"];
  /** Undefined once the deadline has passed: what still comes is counted and dropped. */
  waiter?: { resolve(answer: FinalAnswer): void; reject(error: CourierError): void } | undefined;
  readonly take?: ((entries: readonly RawEntry[]) => void) | undefined;
  entries: number;
  bytes: number;
}

// Distributes over the union, which plain Omit would melt into one shape.
type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

/**
 * The frontend's end of the channel. It takes the courier for hostile: one line that breaks the protocol ends
 * the channel, and every request with it. All methods throw CourierError.
 */
export class CourierChannel {
  readonly #pipe: CourierPipe;
  readonly #pending = new Map<number, Pending>();
  readonly #ready = Promise.withResolvers<Ready>();
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
  ready({ signal }: { readonly signal: AbortSignal }): Promise<Ready> {
    return before(signal, "start", this.#ready.promise);
  }

  /**
   * Every entry that the log has under `hash`, each once; with `including`, also that one. `onEntries` gets them
   * as they come.
   */
  async find(
    what: { readonly log: string; readonly hash: string; readonly including?: string },
    {
      signal,
      onEntries,
    }: { readonly signal: AbortSignal; readonly onEntries?: (entries: readonly RawEntry[]) => void },
  ): Promise<RawEntry[]> {
    const entries: RawEntry[] = [];
    const take = (some: readonly RawEntry[]) => {
      entries.push(...some);
      onEntries?.(some);
    };
    await this.#ask({ ask: "find", ...what }, "found", { signal, take });
    return entries;
  }

  /** What the registry serves everybody under this tag. */
  async manifest(
    what: {
      readonly registry: string;
      readonly repository: string;
      readonly tag: string;
      readonly plainHttp: boolean;
    },
    { signal }: { readonly signal: AbortSignal },
  ): Promise<ServedManifest> {
    const answer = await this.#ask({ ask: "manifest", ...what }, "manifest", { signal });
    return { bytes: Buffer.from(answer.bytes, "base64"), mediaType: answer.mediaType };
  }

  /** Signs the statement, appends it to the log, and gives the UUID of its entry. */
  async record(
    {
      log,
      fulcio,
      statement,
    }: { readonly log: string; readonly fulcio: string; readonly statement: Uint8Array },
    { signal }: { readonly signal: AbortSignal },
  ): Promise<string> {
    const base64 = Buffer.from(statement).toString("base64");
    const answer = await this.#ask({ ask: "record", log, fulcio, statement: base64 }, "recorded", { signal });
    return answer.uuid;
  }

  /** Ends the courier; what is pending fails. */
  close(): void {
    this.#break(new CourierError("channel-broken", "the courier was closed"));
  }

  async #ask<Say extends FinalAnswer["say"]>(
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

  #write(line: string): void {
    const failed = (cause: unknown) =>
      this.#break(new CourierError("channel-broken", "the courier takes no more requests", { cause }));
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
      this.#break(new CourierError("channel-broken", "the courier ended"));
    } catch (cause) {
      const why = excerpt(cause instanceof Error ? cause.message : "", 300);
      const error = new CourierError("channel-broken", `the courier cannot be understood: ${why}`, { cause });
      this.#break(cause instanceof CourierError ? cause : error);
    }
  }

  #hear(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (bytes > MAX_LINE_BYTES) throw broken(`said a line of ${bytes} bytes, more than ${MAX_LINE_BYTES}`);
    const answer = readAnswer(line);
    if (answer.say === "ready") {
      if (this.#wasReady) throw broken("said ready twice");
      this.#wasReady = true;
      const { publicKey, identity, signerProblem } = answer;
      this.#ready.resolve({ publicKey, identity, signerProblem: safe(signerProblem) });
      return;
    }
    if (!this.#wasReady) throw broken(`said ${answer.say} before ready`);
    const pending = this.#pending.get(answer.id);
    if (pending === undefined) throw broken(`answered request ${answer.id}, which is not open`);
    pending.bytes += bytes;
    if (pending.bytes > MAX_REQUEST_BYTES) {
      throw broken(`answered more than ${MAX_REQUEST_BYTES} bytes to one request`);
    }
    if (answer.say === "entries") {
      if (pending.expected !== "found") throw broken(`said entries where ${pending.expected} was due`);
      pending.entries += answer.entries.length;
      if (pending.entries > MAX_ENTRIES) throw broken(`brought more than ${MAX_ENTRIES} entries`);
      if (pending.waiter !== undefined) pending.take?.(answer.entries);
      return;
    }
    if (answer.say !== "failed" && answer.say !== pending.expected) {
      throw broken(`said ${answer.say} where ${pending.expected} was due`);
    }
    this.#pending.delete(answer.id);
    if (answer.say !== "failed") pending.waiter?.resolve(answer);
    else pending.waiter?.reject(new CourierError(answer.code, excerpt(answer.message, 2048)));
  }

  #break(error: CourierError): void {
    if (this.#broken !== undefined) return;
    this.#broken = error;
    this.#ready.reject(error);
    for (const pending of this.#pending.values()) pending.waiter?.reject(error);
    this.#pending.clear();
    this.#pipe.close();
  }
}

function readAnswer(line: string): Answer {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw broken(`said something that is not JSON: "${excerpt(line)}"`);
  }
  const answer = v.safeParse(Answer, value);
  if (answer.success) return answer.output;
  const [issue] = answer.issues;
  throw broken(
    `said something that is no answer (${excerpt(v.getDotPath(issue) ?? "the line")}): "${excerpt(line)}"`,
  );
}

function broken(what: string): CourierError {
  return new CourierError("channel-broken", `the courier ${what}`);
}

/** A text of the courier's as it may be shown. */
function safe(text: string | undefined): string | undefined {
  return text === undefined ? undefined : excerpt(text, 1024);
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

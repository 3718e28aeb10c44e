// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import type { Courier, Found, Ready, Recording, Served, Written } from "../../check/courier.ts";
import { excerpt } from "../../log/excerpt.ts";
import type { RawEntry } from "../../log/rekor-v1.ts";
import { Answer, MAX_FOUND, MAX_LINE_BYTES, type FailureCode, type Request } from "../protocol.ts";

/** Why the courier has no answer. `channel-broken`: it ended, or it broke the protocol, and is not asked again. */
export class CourierError extends Error {
  override readonly name = "CourierError";
  readonly code: FailureCode | "channel-broken";
  /** Of `rate-limited`: in how many seconds to ask again, if the registry says so. */
  readonly retryAfter: number | undefined;
  constructor(
    code: CourierError["code"],
    message: string,
    options?: ErrorOptions & { readonly retryAfter?: number | undefined },
  ) {
    super(message, options);
    this.code = code;
    this.retryAfter = options?.retryAfter;
  }
}

/** Both directions to the courier's process. */
export interface CourierPipe {
  /** Sends these bytes (UTF-8); the line has its LF already. */
  write(line: string): void | Promise<void>;
  /** Ends the courier's input, and with it the courier. */
  close(): void;
  /** What the courier says, line by line without LF. */
  readonly lines: AsyncIterable<string>;
}

interface Deadline {
  readonly signal: AbortSignal;
}

/** What is asked for, as the check asks it. */
type What<Ask extends "find" | "manifest" | "blob"> = Parameters<Courier[Ask]>[0];

/** The line that ends a request well. */
type FinalAnswer = Exclude<Answer, { say: "ready" | "entries" | "failed" }>;

// Distributes over the union, which plain Omit would melt into one shape.
type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

interface Pending {
  readonly expected: readonly FinalAnswer["say"][];
  /** Undefined once the deadline has passed: what still comes is counted and dropped. */
  waiter?: { resolve(answer: FinalAnswer): void; reject(error: CourierError): void } | undefined;
  readonly entries: RawEntry[];
  readonly brought: Brought;
}

/** Entries, and the bytes of their lines. */
interface Brought {
  entries: number;
  bytes: number;
}

/**
 * The frontend's end of the channel: requests and their answers over one pipe. It takes the courier for hostile: one line
 * that breaks the protocol ends the channel, and every request with it. All methods but `close` throw CourierError.
 */
export class CourierChannel implements Courier {
  readonly #pipe: CourierPipe;
  readonly #pending = new Map<number, Pending>();
  readonly #ready = Promise.withResolvers<Ready>();
  #wasReady = false;
  #broken: CourierError | undefined;
  #lastId = 0;
  readonly #brought: Brought = { entries: 0, bytes: 0 };

  constructor(pipe: CourierPipe) {
    this.#pipe = pipe;
    // `ready` may never be asked for: its failure must not be an unhandled rejection.
    this.#ready.promise.catch(() => undefined);
    void this.#read();
  }

  /** The courier's first line: the signer that it has, or why its secrets cannot sign. */
  ready({ signal }: Deadline): Promise<Ready> {
    return before(signal, "start", this.#ready.promise);
  }

  /**
   * Every entry that the log has under `hash`, each once; with `identity`, at least those whose certificate names it;
   * with `counting`, at least those that count; with `including`, also that one.
   */
  async find(what: What<"find">, { signal }: Deadline): Promise<Found> {
    const { answer, entries } = await this.#ask({ ask: "find", ...what }, ["found"], signal);
    return { entries, dropped: new Map(answer.dropped) };
  }

  /**
   * What the registry serves everybody under this tag or digest: the bytes, and the media type it gave them; the digest
   * alone where the tag was to name another `digest`.
   */
  async manifest(what: What<"manifest">, { signal }: Deadline): Promise<Served> {
    const expected = what.digest === undefined ? (["manifest"] as const) : (["manifest", "names"] as const);
    const { answer } = await this.#ask({ ask: "manifest", ...what }, expected, signal);
    return answer.say === "names"
      ? { digest: answer.digest }
      : { bytes: Buffer.from(answer.bytes, "base64"), mediaType: answer.mediaType };
  }

  /** A blob as the registry serves it to everybody; the caller verifies its digest. */
  async blob(what: What<"blob">, { signal }: Deadline): Promise<Buffer> {
    const { answer } = await this.#ask({ ask: "blob", ...what }, ["blob"], signal);
    return this.#atMost(what.maxBytes, "blob", answer.bytes);
  }

  /** Signs the statement, appends it to the log, and gives what leads to it there. */
  async record({ log, statement, ...what }: Recording, { signal }: Deadline): Promise<Written> {
    const request = {
      ask: "record" as const,
      log: { url: log.url, api: log.api },
      fulcio: what.fulcio,
      timestamps: [...what.timestamps],
      statement: Buffer.from(statement).toString("base64"),
    };
    if (log.api === 1) return { uuid: (await this.#ask(request, ["recorded"], signal)).answer.uuid };
    const { answer } = await this.#ask(request, ["bundle"], signal);
    try {
      return { bundle: JSON.parse(answer.bundle) as unknown };
    } catch {
      throw this.#break(broken("said a bundle that is not JSON"));
    }
  }

  /** One file of a TUF repository; undefined when the mirror has none of this name. */
  async file(
    what: {
      readonly mirror: string;
      readonly path: string;
      readonly maxBytes: number;
      /** Whether the mirror may be asked over http although it is not this machine. */
      readonly plainHttp?: boolean;
    },
    { signal }: Deadline,
  ): Promise<Buffer | undefined> {
    const { answer } = await this.#ask({ ask: "file", ...what }, ["file"], signal);
    return answer.bytes === null ? undefined : this.#atMost(what.maxBytes, "file", answer.bytes);
  }

  /** Ends the courier; what is pending fails. */
  close(): void {
    this.#break(broken("was closed"));
  }

  /** Asks, and gives the answer that is `expected` and the entries that came before it. */
  async #ask<Say extends FinalAnswer["say"]>(
    request: WithoutId<Request>,
    expected: readonly Say[],
    signal: AbortSignal,
  ): Promise<{ readonly answer: FinalAnswer & { say: Say }; readonly entries: readonly RawEntry[] }> {
    if (this.#broken !== undefined) throw this.#broken;
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<FinalAnswer>();
    const pending: Pending = {
      expected,
      waiter: { resolve, reject },
      entries: [],
      brought: { entries: 0, bytes: 0 },
    };
    this.#pending.set(id, pending);
    this.#write(`${JSON.stringify({ id, ...request })}\n`);
    const answer = await before(signal, request.ask, promise).finally(() => {
      pending.waiter = undefined;
    });
    return { answer: answer as FinalAnswer & { say: Say }, entries: pending.entries };
  }

  #atMost(maxBytes: number, what: string, base64: string): Buffer {
    const bytes = Buffer.from(base64, "base64");
    if (bytes.length <= maxBytes) return bytes;
    throw this.#break(
      broken(`brought a ${what} of ${bytes.length} bytes where at most ${maxBytes} were asked for`),
    );
  }

  /** Ends the courier; what is pending fails with this error, and so does all that is asked later. */
  #break(error: CourierError): CourierError {
    if (this.#broken !== undefined) return error;
    this.#broken = error;
    this.#ready.reject(error);
    for (const pending of this.#pending.values()) pending.waiter?.reject(error);
    this.#pending.clear();
    this.#pipe.close();
    return error;
  }

  #write(line: string): void {
    const failed = (cause: unknown) =>
      void this.#break(new CourierError("channel-broken", "the courier takes no more requests", { cause }));
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
      this.#break(broken("ended"));
    } catch (cause) {
      const why = excerpt(cause instanceof Error ? cause.message : "", 300);
      const error = new CourierError("channel-broken", `the courier cannot be understood: ${why}`, { cause });
      this.#break(cause instanceof CourierError ? cause : error);
    }
  }

  #hear(line: string): void {
    const answer = readAnswer(line);
    if (answer.say === "ready") {
      if (this.#wasReady) throw broken("said ready twice");
      this.#wasReady = true;
      const { publicKey, identity, signerProblem } = answer;
      this.#ready.resolve({
        publicKey,
        identity,
        signerProblem: signerProblem && excerpt(signerProblem, 1024),
      });
      return;
    }
    if (!this.#wasReady) throw broken(`said ${answer.say} before ready`);
    const pending = this.#pending.get(answer.id);
    if (pending === undefined) throw broken(`answered request ${answer.id}, which is not open`);
    if (answer.say === "entries") {
      if (!pending.expected.includes("found")) throw broken(`said entries where ${due(pending)} was due`);
      const more = { entries: answer.entries.length, bytes: Buffer.byteLength(line) };
      add(pending.brought, more, { ...MAX_FOUND.tag, to: "one search" });
      add(this.#brought, more, { ...MAX_FOUND.build, to: "one build" });
      if (pending.waiter !== undefined) pending.entries.push(...answer.entries);
      return;
    }
    if (answer.say !== "failed" && !pending.expected.includes(answer.say)) {
      throw broken(`said ${answer.say} where ${due(pending)} was due`);
    }
    this.#pending.delete(answer.id);
    if (answer.say !== "failed") pending.waiter?.resolve(answer);
    else {
      const { code, message, retryAfter } = answer;
      pending.waiter?.reject(new CourierError(code, excerpt(message, 2048), { retryAfter }));
    }
  }
}

/** Adds, and throws CourierError `channel-broken` when it comes to more than may be brought. */
function add(sum: Brought, more: Readonly<Brought>, most: Readonly<Brought> & { readonly to: string }): void {
  sum.entries += more.entries;
  sum.bytes += more.bytes;
  if (sum.entries > most.entries) throw broken(`brought more than ${most.entries} entries to ${most.to}`);
  if (sum.bytes > most.bytes) throw broken(`brought more than ${most.bytes} bytes of entries to ${most.to}`);
}

function due({ expected }: Pending): string {
  return expected.join(" or ");
}

/** The error for a courier that broke the protocol; `what` goes on from "the courier". */
function broken(what: string): CourierError {
  return new CourierError("channel-broken", `the courier ${what}`);
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
function readAnswer(line: string): Answer {
  const bytes = Buffer.byteLength(line);
  if (bytes > MAX_LINE_BYTES) throw broken(`said a line of ${bytes} bytes, more than ${MAX_LINE_BYTES}`);
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

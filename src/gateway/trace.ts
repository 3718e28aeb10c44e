// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";
import { Bridge } from "./bridge.ts";

/** Something that took time in one build. Times are milliseconds since this process started. */
export interface Span {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** More than this is not written down. */
const MAX_SPANS = 1_000;

/** Writes down what takes time in one build, for people who ask why. */
export class Trace {
  readonly #clock: () => number;
  readonly #spans: Span[] = [];

  /** `clock` gives milliseconds since this process started. */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  /** What has ended so far; what began first comes first. */
  get spans(): readonly Span[] {
    return this.#spans.toSorted((one, other) => one.start - other.start);
  }

  /** Something begins, now or at a time before; it ends when the returned function is called. */
  begin(name: string, start = this.#clock()): () => void {
    return () => {
      if (this.#spans.length < MAX_SPANS) this.#spans.push({ name, start, end: this.#clock() });
    };
  }

  /** Waits for something, and writes down how long that took. */
  async during<T>(name: string, work: Promise<T>): Promise<T> {
    const end = this.begin(name);
    try {
      return await work;
    } finally {
      end();
    }
  }
}

/** A Bridge whose calls are written down. */
export class TracedBridge extends Bridge {
  readonly #trace: Trace;

  constructor(stream: Duplex, trace: Trace) {
    super(stream);
    this.#trace = trace;
  }

  override forward(method: string, request: Uint8Array): Promise<Uint8Array> {
    return this.#trace.during(`BuildKit answers ${method}`, super.forward(method, request));
  }
}

// SPDX-License-Identifier: Apache-2.0
import type { Field } from "./hpack.ts";
import type { Http2Code } from "./http2-frame.ts";

/** Header fields by their names. */
export type Headers = Readonly<Record<string, string | undefined>>;

/** Hears what the other side says on a stream. */
export interface StreamListener {
  /** Its header fields, and later those behind its data if there are any. */
  headers(headers: Headers): void;
  data(bytes: Buffer): void;
  /**
   * It says nothing more. Called once, last: with the reason if it broke off, and with none when it had ended, when it gave the
   * stream up (CANCEL), or when it hung up.
   */
  over(reason?: Error): void;
}

/** What a stream asks its connection for. */
export interface StreamOwner {
  /** There is something to send. */
  send(stream: Http2Stream, bytes: number): void;
  respond(stream: Http2Stream, fields: readonly Field[]): void;
  reset(stream: Http2Stream, code: Http2Code): void;
}

/** One stream of a connection: one call. What is sent goes out as soon as the other side takes it. */
export class Http2Stream {
  /** 0 until the other side takes another stream. */
  id = 0;
  /** As many bytes may be sent and received, for now. */
  sendWindow: number;
  receiveWindow: number;
  /** What is to be sent: data, and then nothing more (`isEnding`), after the trailers if there are any. */
  readonly queue: Uint8Array[] = [];
  /** How many bytes are in it. */
  queuedBytes = 0;
  isEnding = false;
  trailers: Buffer | undefined;
  /** What has been said. */
  hasHeaders = false;
  isSent = false;
  isReceived = false;
  /** Nothing more is sent nor heard. */
  isClosed = false;
  listener: StreamListener | undefined;
  readonly #owner: StreamOwner;

  constructor(owner: StreamOwner, sendWindow: number, receiveWindow: number) {
    this.#owner = owner;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }

  /** The header fields of an answer. */
  respond(fields: readonly Field[]): void {
    if (!this.isClosed) this.#owner.respond(this, fields);
  }

  write(bytes: Uint8Array): void {
    if (this.isClosed || this.isEnding || bytes.length === 0) return;
    this.queue.push(bytes);
    this.queuedBytes += bytes.length;
    this.#owner.send(this, bytes.length);
  }

  /** Says that nothing more is sent; `trailers` is a block of header fields to go behind the data. */
  end(trailers?: Buffer): void {
    if (this.isClosed || this.isEnding) return;
    this.isEnding = true;
    this.trailers = trailers;
    this.#owner.send(this, 0);
  }

  /** Gives the stream up. The listener hears nothing more. */
  reset(code: Http2Code): void {
    if (!this.isClosed) this.#owner.reset(this, code);
  }
}

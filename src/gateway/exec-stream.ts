// SPDX-License-Identifier: Apache-2.0
import { moby } from "../../gen/gateway.js";
import { FrameReader, frameOf } from "./grpc-frame.ts";
import type { Http2Stream, StreamListener } from "./http2-stream.ts";
import { CallError, failureIn, RESOURCE_EXHAUSTED, UNAVAILABLE } from "./status.ts";

/** As much may wait for a process that does not read its input, in bytes: other calls need room beside it. */
const MAX_UNREAD_BYTES = 128 * 1024 * 1024;

const { ExecMessage } = moby.buildkit.v1.frontend;

export type ExecMessage = moby.buildkit.v1.frontend.ExecMessage;

/** Messages about a process in a container, both ways, as BuildKit's ExecProcess has them. */
export interface ExecStream {
  write(message: moby.buildkit.v1.frontend.ExecMessage.$Properties): void;
  /** Says that nothing more is written. */
  end(): void;
  cancel(): void;
  /** Calls `message` for each one that comes, and `end` once, with the failure if there is one. To be called in the turn that opened it. */
  listen(listener: {
    readonly message: (message: ExecMessage) => void;
    readonly end: (error?: Error) => void;
  }): void;
}

/** The messages on a gRPC call that `open` opens. */
export function openExec(open: (listener: StreamListener) => Http2Stream): ExecStream {
  const reader = new FrameReader();
  let heard: Parameters<ExecStream["listen"]>[0] | undefined;
  let failure: Error | undefined;
  let isOver = false;
  // It has nothing more to say, whether or not we have.
  const over = (): void => {
    if (!isOver) heard?.end(failure);
    isOver = true;
  };
  const cancel = (): void => {
    call.reset("CANCEL");
    over();
  };
  const call = open({
    headers(headers) {
      if (headers["grpc-status"] !== undefined) failure ??= failureIn(headers);
    },
    data(chunk) {
      try {
        for (const bytes of reader.push(chunk)) heard?.message(ExecMessage.decode(bytes));
      } catch (error) {
        failure ??= error as Error;
        cancel();
      }
    },
    over(cause) {
      if (cause !== undefined) failure ??= new CallError(UNAVAILABLE, cause.message);
      over();
    },
  });
  return {
    write(message) {
      call.write(frameOf(ExecMessage.encode(message).finish()));
      if (call.queuedBytes <= MAX_UNREAD_BYTES) return;
      failure ??= new CallError(RESOURCE_EXHAUSTED, "the process does not read its input");
      cancel();
    },
    end() {
      call.end();
    },
    cancel,
    listen(listener) {
      heard = listener;
    },
  };
}

// SPDX-License-Identifier: Apache-2.0
import type { ClientHttp2Stream } from "node:http2";
import { moby } from "../../gen/gateway.js";
import { FrameReader, frameOf } from "./grpc-frame.ts";
import { CallError, failureIn, UNAVAILABLE } from "./status.ts";

const { ExecMessage } = moby.buildkit.v1.frontend;

export type ExecMessage = moby.buildkit.v1.frontend.ExecMessage;

/** Messages about a process in a container, both ways, as BuildKit's ExecProcess has them. */
export interface ExecStream {
  write(message: moby.buildkit.v1.frontend.ExecMessage.$Properties): void;
  /** Says that nothing more is written. */
  end(): void;
  cancel(): void;
  /** Calls `message` for each one that comes, and `end` once, with the failure if there is one. */
  listen(listener: {
    readonly message: (message: ExecMessage) => void;
    readonly end: (error?: Error) => void;
  }): void;
}

/** The messages on an opened gRPC call. */
export function openExec(call: ClientHttp2Stream): ExecStream {
  return {
    write(message) {
      if (!call.destroyed && !call.writableEnded) call.write(frameOf(ExecMessage.encode(message).finish()));
    },
    end() {
      call.end();
    },
    cancel() {
      call.close();
    },
    listen({ message, end }) {
      const reader = new FrameReader();
      let failure: Error | undefined;
      const trailers = (headers: Parameters<typeof failureIn>[0]): void => {
        if (headers["grpc-status"] !== undefined) failure ??= failureIn(headers);
      };
      call.on("response", trailers);
      call.on("trailers", trailers);
      call.on("data", (chunk: Buffer) => {
        try {
          for (const bytes of reader.push(chunk)) message(ExecMessage.decode(bytes));
        } catch (error) {
          failure ??= error as Error;
          call.close();
        }
      });
      call.on("error", ({ message: said }: Error) => (failure ??= new CallError(UNAVAILABLE, said)));
      let isOver = false;
      const over = (): void => {
        if (!isOver) end(failure);
        isOver = true;
      };
      // It has nothing more to say, whether or not we have.
      call.on("end", over);
      call.on("close", over);
    },
  };
}

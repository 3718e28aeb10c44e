// SPDX-License-Identifier: Apache-2.0
import { constants, performServerHandshake, type ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { SERVICE } from "./bridge.ts";
import { FrameReader, frameOf, MAX_MESSAGE_BYTES } from "./grpc-frame.ts";
import { CallError, INTERNAL, trailersOf } from "./status.ts";

/** Answers a unary call: the encoded answer to an encoded request. What it throws goes back as the call's failure. */
export type Answer = (method: string, request: Uint8Array) => Promise<Uint8Array>;

/** As much of a message may be on its way at once, in bytes. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** Errors travel in headers, with the Dockerfile in them. */
const MAX_HEADER_BYTES = MAX_MESSAGE_BYTES;

/**
 * Serves BuildKit's gateway API over a stream to the one client at its other end, as BuildKit does to a frontend. `answer`
 * is asked for each call with its method, such as `Solve`; a stream of several messages takes its first one for all.
 */
export function serveGateway(stream: Duplex, answer: Answer): void {
  const session = performServerHandshake(stream, {
    settings: { initialWindowSize: WINDOW_BYTES },
    maxSendHeaderBlockLength: MAX_HEADER_BYTES,
  });
  // The end of the client is told by its process, not by its connection.
  session.on("error", () => session.destroy());
  session.on("stream", (call: ServerHttp2Stream, headers) => {
    call.on("error", () => undefined);
    const method = methodIn(String(headers[constants.HTTP2_HEADER_PATH]));
    void requestOf(call)
      .then((request) => answer(method, request))
      .then(
        (response) => respond(call, response),
        (error: unknown) => respond(call, callError(error)),
      );
  });
}

function methodIn(path: string): string {
  return path.startsWith(`/${SERVICE}/`) ? path.slice(SERVICE.length + 2) : path;
}

function requestOf(call: ServerHttp2Stream): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const reader = new FrameReader();
    call.on("data", (chunk: Buffer) => {
      try {
        const [request] = reader.push(chunk);
        if (request !== undefined) resolve(request);
      } catch (error) {
        reject(error as Error);
      }
    });
    call.on("end", () => reject(new CallError(INTERNAL, "the call ended without a whole message")));
    call.on("close", () => reject(new CallError(INTERNAL, "the call was given up")));
  });
}

function respond(call: ServerHttp2Stream, answer: Uint8Array | CallError): void {
  if (call.destroyed || call.closed) return;
  call.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  call.on("wantTrailers", () =>
    call.sendTrailers(trailersOf(answer instanceof CallError ? answer : undefined)),
  );
  if (answer instanceof CallError) call.end();
  else call.end(frameOf(answer));
}

function callError(error: unknown): CallError {
  if (error instanceof CallError) return error;
  return new CallError(INTERNAL, error instanceof Error ? error.message : String(error));
}

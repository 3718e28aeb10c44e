// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";
import { SERVICE } from "./bridge.ts";
import { FrameReader, frameOf, MAX_MESSAGE_BYTES } from "./grpc-frame.ts";
import { encodeFields } from "./hpack.ts";
import { Http2Connection } from "./http2-connection.ts";
import type { Http2Stream, StreamListener } from "./http2-stream.ts";
import { CallError, INTERNAL, RESOURCE_EXHAUSTED, trailersOf } from "./status.ts";

/** Answers a unary call: the encoded answer to an encoded request. What it throws goes back as the call's failure. */
export type Answer = (method: string, request: Uint8Array) => Promise<Uint8Array>;

/** The client's own header fields say little. */
const MAX_REQUEST_HEADER_BYTES = 64 * 1024;
/** Errors travel in headers, with the Dockerfile in them. */
const MAX_HEADER_BYTES = MAX_MESSAGE_BYTES;
/** As many calls may be at work at once, with those that the client has given up, and as many bytes may be in their requests. */
const MAX_CALLS = 1000;
const MAX_REQUESTS_BYTES = 8 * MAX_MESSAGE_BYTES;

/**
 * Serves BuildKit's gateway API over a stream to the one client at its other end, as BuildKit does to a frontend. `answer`
 * is asked for each call with its method, such as `Solve`; a stream of several messages takes its first one for all.
 */
export function serveGateway(stream: Duplex, answer: Answer): void {
  let calls = 0;
  let requestsBytes = 0;
  const listenTo = (call: Http2Stream): StreamListener => {
    const reader = new FrameReader();
    let method = "";
    let bytes = 0;
    /** What the call takes up is free again when it is answered, or when its request broke off. */
    let isAsked = false;
    const free = (): void => {
      requestsBytes -= bytes;
      bytes = 0;
    };
    const ask = async (request: Uint8Array): Promise<void> => {
      calls++;
      let answered: Uint8Array | CallError;
      try {
        answered = await answer(method, request);
      } catch (error) {
        answered = callError(error);
      }
      calls--;
      free();
      respond(call, answered);
    };
    const refuse = (error: CallError): void => {
      isAsked = true;
      free();
      respond(call, error);
    };
    return {
      headers(headers) {
        method ||= methodIn(headers[":path"] ?? "");
      },
      data(chunk) {
        if (isAsked) return;
        bytes += chunk.length;
        requestsBytes += chunk.length;
        if (requestsBytes > MAX_REQUESTS_BYTES || calls >= MAX_CALLS)
          return refuse(new CallError(RESOURCE_EXHAUSTED, "too much is asked at once"));
        try {
          const [request] = reader.push(chunk);
          if (request === undefined) return;
          isAsked = true;
          void ask(request);
        } catch (error) {
          refuse(callError(error));
        }
      },
      // The end of the client is told by its process, not by its connection.
      over() {
        if (!isAsked) refuse(new CallError(INTERNAL, "the call ended without a whole message"));
      },
    };
  };
  new Http2Connection(stream, { maxHeaderBytes: MAX_REQUEST_HEADER_BYTES, serve: listenTo }).start();
}

function methodIn(path: string): string {
  return path.startsWith(`/${SERVICE}/`) ? path.slice(SERVICE.length + 2) : path;
}

function respond(call: Http2Stream, answer: Uint8Array | CallError): void {
  const error = answer instanceof CallError ? answer : undefined;
  const trailers = encodeFields(Object.entries(trailersOf(error)));
  if (trailers.length > MAX_HEADER_BYTES)
    return respond(call, new CallError(RESOURCE_EXHAUSTED, `the error has ${trailers.length} bytes`));
  call.respond([
    [":status", "200"],
    ["content-type", "application/grpc"],
  ]);
  if (!(answer instanceof CallError)) call.write(frameOf(answer));
  call.end(trailers);
}

function callError(error: unknown): CallError {
  if (error instanceof CallError) return error;
  return new CallError(INTERNAL, error instanceof Error ? error.message : String(error));
}

// SPDX-License-Identifier: Apache-2.0
import { moby } from "../../gen/gateway.js";
import type { Headers } from "./http2-stream.ts";

const { Status } = moby.buildkit.v1.frontend;

/** gRPC's codes, as far as they are named here. With any other than UNKNOWN clients put the code's name before the message. */
export const UNKNOWN = 2;
export const RESOURCE_EXHAUSTED = 8;
export const UNIMPLEMENTED = 12;
export const INTERNAL = 13;
export const UNAVAILABLE = 14;

/** The spelling that BuildKit knows; the package's own name without the repository is ignored. */
const SOURCE_DETAIL = "github.com/moby/buildkit/errdefs.Source+json";

/** A place in a source file, for the snippet that the client prints with an error. Lines are 1-based. */
export interface SourceSnippet {
  readonly filename: string;
  readonly data: Uint8Array;
  readonly language: string;
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
}

/** A gRPC call that failed: by the answer of the other side, or because it gave none. */
export class CallError extends Error {
  override readonly name = "CallError";
  readonly code: number;
  /** The encoded google.rpc.Status as the other side sent it, details and all. */
  readonly status: Uint8Array;

  constructor(code: number, message: string, status?: Uint8Array) {
    super(message);
    this.code = code;
    this.status = status ?? Status.encode({ code, message }).finish();
  }

  /** The failure that an encoded google.rpc.Status says. */
  static ofStatus(status: Uint8Array): CallError {
    const { code, message } = Status.decode(status);
    return new CallError(code ?? UNKNOWN, message ?? "", status);
  }
}

/** An encoded google.rpc.Status for `Return`. The client prints the message and a snippet for each source, the last first. */
export function errorStatus(message: string, snippets: readonly SourceSnippet[] = []): Uint8Array {
  return Status.encode({
    code: UNKNOWN,
    message,
    details: snippets.map((snippet) => ({
      type_url: SOURCE_DETAIL,
      value: Buffer.from(
        JSON.stringify({
          info: {
            filename: snippet.filename,
            data: Buffer.from(snippet.data).toString("base64"),
            language: snippet.language,
          },
          ranges: snippet.ranges.map(({ start, end }) => ({
            start: { line: start, character: 0 },
            end: { line: end, character: 0 },
          })),
        }),
      ),
    })),
  }).finish();
}

/** The same encoded google.rpc.Status, with these words before its message. */
export function prefixedStatus(status: Uint8Array, words: string): Uint8Array {
  const decoded = Status.decode(status);
  return Status.encode({ ...decoded, message: `${words}${decoded.message ?? ""}` }).finish();
}

/** The failure that gRPC's trailers tell of, or undefined when the call succeeded. */
export function failureIn(trailers: Headers): CallError | undefined {
  const code = Number(trailers["grpc-status"] ?? INTERNAL);
  if (code === 0) return undefined;
  const details = trailers["grpc-status-details-bin"];
  const status = details === undefined ? undefined : Buffer.from(details, "base64");
  const message = messageIn(status) ?? unescaped(trailers["grpc-message"] ?? "");
  return new CallError(code, message || `gRPC status ${code}`, status);
}

/** The trailers that tell of a failed call, or of a successful one when there is no error. */
export function trailersOf(error?: CallError): Readonly<Record<string, string>> {
  if (error === undefined) return { "grpc-status": "0" };
  return {
    "grpc-status": String(error.code),
    "grpc-message": encodeURIComponent(error.message.toWellFormed()),
    "grpc-status-details-bin": Buffer.from(error.status).toString("base64"),
  };
}

function messageIn(status: Uint8Array | undefined): string | undefined {
  if (status === undefined || status.length === 0) return undefined;
  try {
    return Status.decode(status).message;
  } catch {
    return undefined;
  }
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// SPDX-License-Identifier: Apache-2.0
import type { ServiceError } from "@grpc/grpc-js";
import { moby } from "../../gen/gateway.js";

const { Status } = moby.buildkit.v1.frontend;

/** gRPC's UNKNOWN: with any other code BuildKit puts the code's name before the message. */
const UNKNOWN = 2;
/** The spelling that BuildKit knows; the package's own name without the repository is ignored. */
const SOURCE_DETAIL = "github.com/moby/buildkit/errdefs.Source+json";

/** A place in a source file, for the snippet that the client prints with an error. Lines are 1-based. */
export interface SourceSnippet {
  readonly filename: string;
  readonly data: Uint8Array;
  readonly language: string;
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
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

/** The status of a failed call as BuildKit sent it, details and all, so that it can be handed on unchanged. */
export function statusOf(error: ServiceError): Uint8Array {
  const [details] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (Buffer.isBuffer(details) && details.length > 0) return details;
  return Status.encode({ code: error.code, message: error.details }).finish();
}

/** A BuildKit error's own message, without gRPC's prefix. */
export function messageOf(error: ServiceError): string {
  try {
    return Status.decode(statusOf(error)).message || error.details;
  } catch {
    return error.details;
  }
}

/** Whether this is an error that a gRPC call ended with. */
export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && typeof error.code === "number" && "details" in error;
}

// SPDX-License-Identifier: Apache-2.0
import { Failure, failureOf } from "../courier/server/failure.ts";
import { HttpError, NotPublicError } from "../courier/server/http.ts";

/**
 * Why a registry was of no use. `unreachable`: it could not be asked (network, deadline, 5xx after some tries).
 * `rate-limited`: it wants to be asked later. `needs-credentials`: it does not show or take this with the credentials that there
 * are, or those cannot be read. `not-found`: it has no such repository, where that is not an answer. `refused`: it said no for
 * another reason (4xx), or the name cannot be asked for. `bad-answer`: it said something that is no answer. `too-large`: there is
 * more than is read.
 */
export type RegistryErrorCode =
  | "unreachable"
  | "rate-limited"
  | "needs-credentials"
  | "not-found"
  | "refused"
  | "bad-answer"
  | "too-large";

/** A question to a registry, or something pushed, that failed. The message is one line without any secret. */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly code: RegistryErrorCode;
  /** Of `rate-limited`: in how many seconds to ask again, if the registry says so. */
  readonly retryAfter: number | undefined;
  constructor(
    code: RegistryErrorCode,
    message: string,
    options?: ErrorOptions & { readonly retryAfter?: number | undefined },
  ) {
    super(message, options);
    this.code = code;
    this.retryAfter = options?.retryAfter;
  }
}

/** What HTTP and the rules of who may be asked throw, as an error of the registry; anything else, a defect of ours, is left alone. */
export function asRegistryError(error: unknown): unknown {
  if (error instanceof RegistryError || !(error instanceof Failure)) return error;
  const { message } = failureOf(error);
  return new RegistryError(codeOf(error), message, { cause: error });
}

function codeOf(error: Failure): RegistryErrorCode {
  if (error instanceof HttpError && error.reason === "too-large") return "too-large";
  // A redirect to it, or a public registry whose name suddenly leads inside.
  if (error instanceof NotPublicError) return "bad-answer";
  return error.code === "unreachable" || error.code === "refused" ? error.code : "bad-answer";
}

// SPDX-License-Identifier: Apache-2.0
import type { RegistryError } from "../registry/error.ts";

/** The codes of the distribution API's errors that we answer, and their status where nothing else is said. */
const STATUS = {
  NAME_INVALID: 400,
  TAG_INVALID: 400,
  DIGEST_INVALID: 400,
  DENIED: 403,
  NAME_UNKNOWN: 404,
  MANIFEST_UNKNOWN: 404,
  BLOB_UNKNOWN: 404,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  UNKNOWN: 502,
  UNAVAILABLE: 503,
} as const;
export type ProxyErrorCode = keyof typeof STATUS;

/** Why a request is refused or cannot be answered, in the words of the distribution API. The message is for the person who pulls. */
export class ProxyError extends Error {
  override readonly name = "ProxyError";
  readonly code: ProxyErrorCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** More of it for programs. */
  readonly detail: unknown;
  constructor(
    code: ProxyErrorCode,
    message: string,
    {
      headers = {},
      detail,
      cause,
    }: ErrorOptions & {
      readonly headers?: Readonly<Record<string, string>>;
      readonly detail?: unknown;
    } = {},
  ) {
    super(message, { cause });
    this.code = code;
    this.status = STATUS[code];
    this.headers = headers;
    this.detail = detail;
  }

  /** The body of the answer. */
  get body(): string {
    const { code, message, detail } = this;
    return JSON.stringify({ errors: [{ code, message, ...(detail !== undefined && { detail }) }] });
  }
}

/** What a registry could not be asked, or said, as an answer to the client. */
export function ofRegistry(error: RegistryError): ProxyError {
  const { message, retryAfter } = error;
  const options = {
    cause: error,
    headers: retryAfter === undefined ? {} : { "retry-after": String(retryAfter) },
  };
  switch (error.code) {
    case "not-found":
      return new ProxyError("NAME_UNKNOWN", message, options);
    case "needs-credentials":
      return new ProxyError("DENIED", `${message}; only what everybody can pull is served here`, options);
    case "rate-limited":
      return new ProxyError("TOOMANYREQUESTS", message, options);
    case "unreachable":
      return new ProxyError("UNAVAILABLE", message, options);
    case "refused":
    case "bad-answer":
    case "too-large":
      return new ProxyError("UNKNOWN", message, options);
  }
}

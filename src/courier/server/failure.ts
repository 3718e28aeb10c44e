// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../../log/excerpt.ts";
import { LogError } from "../../log/json-api.ts";
import { HttpError } from "./http.ts";
import { MirrorError } from "./mirror-file.ts";
import type { FailureCode } from "../protocol.ts";
import { RegistryError } from "./registry-question.ts";

/** There is nothing to sign with; the message says why. */
export class NoSignerError extends Error {
  override readonly name = "NoSignerError";
  readonly code = "no-signer";
}

/** The certificate authority gave no certificate that counts. */
export class CertificateError extends Error {
  override readonly name = "CertificateError";
  readonly code: "unreachable" | "refused" | "bad-answer";
  constructor(code: CertificateError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** No timestamp authority gave a timestamp that counts. */
export class TimestampError extends Error {
  override readonly name = "TimestampError";
  readonly code: "unreachable" | "refused" | "bad-answer";
  constructor(code: TimestampError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What a failure is called in the protocol, with its text for a person. */
export function failureOf(error: unknown): { readonly code: FailureCode; readonly message: string } {
  if (
    error instanceof LogError ||
    error instanceof RegistryError ||
    error instanceof NoSignerError ||
    error instanceof CertificateError ||
    error instanceof TimestampError ||
    error instanceof MirrorError
  ) {
    return { code: error.code, message: excerpt(error.message, 2000) };
  }
  if (error instanceof HttpError) {
    // A server that says more than any answer needs did answer.
    return {
      code: error.code === "too-large" ? "bad-answer" : "unreachable",
      message: excerpt(error.message, 2000),
    };
  }
  // A fault of ours. Its text is not passed on, because nobody has judged what may be in it.
  const name = error instanceof Error ? error.name : typeof error;
  return { code: "unreachable", message: `the courier failed on its own: ${excerpt(name)}` };
}

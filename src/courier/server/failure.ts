// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../../log/excerpt.ts";
import { LogError } from "../../log/json-api.ts";
import type { FailureCode } from "../protocol.ts";

/** Why a request has no answer: the protocol's code and a message for a person, without any secret. */
export class Failure extends Error {
  override readonly name: string = "Failure";
  readonly code: FailureCode;
  /** In how many seconds to ask again. */
  readonly retryAfter: number | undefined;
  constructor(code: FailureCode, message: string, options?: ErrorOptions & { readonly retryAfter?: number }) {
    super(message, options);
    this.code = code;
    this.retryAfter = options?.retryAfter;
  }
}

/** The failure of a secret that cannot sign. `code` is the message's, and `wrong` goes on from the secret's name. */
export function unusableSecret(code: string, secret: string, wrong: string): Failure {
  return new Failure("no-signer", `${code}: secret "${secret}" ${wrong}`);
}

/** What a failure is called in the protocol, with its text for a person. */
export function failureOf(error: unknown): {
  readonly code: FailureCode;
  readonly message: string;
  readonly retryAfter?: number | undefined;
} {
  if (error instanceof Failure) {
    const { code, message, retryAfter } = error;
    return { code, message: excerpt(message, 2000), retryAfter };
  }
  if (error instanceof LogError) {
    return { code: error.code, message: excerpt(error.message, 2000) };
  }
  // A defect of ours. Its text is not passed on, because it could hold anything.
  const name = error instanceof Error ? error.name : typeof error;
  return { code: "unreachable", message: `the courier failed on its own: ${excerpt(name)}` };
}

// SPDX-License-Identifier: Apache-2.0

/** The closed set of reasons the development log turns a request down; `validation` is what go-openapi finds before Rekor's own code runs. */
export type RefusalCode = "validation" | "rejected" | "conflict" | "not-found" | "unsupported";

/** A request the log answers with an error; `status` is the HTTP status, `number` the `code` in the JSON body. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: RefusalCode;
  readonly status: number;
  readonly number: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: RefusalCode,
    message: string,
    answer: { status: number; number?: number; headers?: Readonly<Record<string, string>> },
  ) {
    super(message);
    this.code = code;
    this.status = answer.status;
    this.number = answer.number ?? answer.status;
    this.headers = answer.headers ?? {};
  }
}

/** Rekor's answer to an entry it cannot accept: status 400 with the reason behind a fixed prefix. */
export function rejected(reason: string): Refusal {
  return new Refusal("rejected", `error processing entry: ${reason}`, { status: 400 });
}

/** What go-openapi answers to a request that breaks the API's schema: status 422 and its own number (602 required, 605 pattern, ...). */
export function invalid(number: number, message: string): Refusal {
  return new Refusal("validation", message, { status: 422, number });
}

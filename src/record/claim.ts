// SPDX-License-Identifier: Apache-2.0
import type { Bundle } from "./bundle.ts";
import { RecordError, type RecordErrorCode } from "./error.ts";
import type { LoggedBody } from "./logged-body.ts";
import type { Signer } from "./signer.ts";

/**
 * What may be a record, in one form wherever it came from: a bundle, what the log's entry in it says, and whose key or
 * certificate that entry has. Nothing of it is proven.
 */
export interface Claim {
  /** How messages call it: `log entry "24296f…"`, `the bundle in tlog.lock:12`. */
  readonly place: string;
  /** How a Rekor v1 log names the entry. */
  readonly uuid?: string;
  readonly bundle: Bundle;
  readonly body: LoggedBody;
  readonly signer: Signer;
}

/** Why what is at this place is no record. */
export function refusal(place: string, code: RecordErrorCode, why: string, cause?: unknown): RecordError {
  return new RecordError(code, `verify ${place}: ${why}`, { cause });
}

/** The innermost of the reasons that the library gives. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "it cannot be read";
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}

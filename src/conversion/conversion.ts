// SPDX-License-Identifier: Apache-2.0
import type { Answer } from "../gateway/server.ts";

/** A program that converts a Dockerfile to LLB: it asks, as a frontend asks BuildKit. */
export interface Conversion {
  /** Has `answer` asked for each of its calls. Once. */
  serve(answer: Answer): void;
  /** Resolves when it has ended, with what to say if nobody has its answer by then. Never rejects. */
  readonly ended: Promise<ConversionError>;
  /** Ends it. Resolves when BuildKit does not wait for it any more. Never throws. */
  end(): Promise<void>;
}

/** A conversion that failed without saying what of the Dockerfile is wrong. The message says how. */
export class ConversionError extends Error {
  override readonly name = "ConversionError";
}

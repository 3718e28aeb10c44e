// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";

/** A program that converts a Dockerfile to LLB: it asks on its stream, as a frontend asks BuildKit. */
export interface Conversion {
  readonly stream: Duplex;
  /** Resolves when it has ended, with what to say if nobody has its answer by then. Never rejects. */
  readonly ended: Promise<ConversionError>;
  /** Ends it. Resolves when BuildKit does not wait for it any more. Never throws. */
  end(): Promise<void>;
}

/** A conversion that failed without saying what of the Dockerfile is wrong. The message says how. */
export class ConversionError extends Error {
  override readonly name = "ConversionError";
}

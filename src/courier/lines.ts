// SPDX-License-Identifier: Apache-2.0
import { MAX_LINE_BYTES } from "./protocol.ts";

/** Bytes that are not lines: `too-long`, `not-utf-8`, or `cut-off` (the last line has no LF). */
export class LineError extends Error {
  override readonly name = "LineError";
  readonly code: "too-long" | "not-utf-8" | "cut-off";
  constructor(code: LineError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * The lines (UTF-8, without their LF) of bytes that come in chunks cut anywhere. Keeps at most one line. Throws
 * LineError, and what `chunks` throws.
 */
export async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes = MAX_LINE_BYTES,
): AsyncGenerator<string, void, undefined> {
  let begun: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (;;) {
      const feed = chunk.indexOf(0x0a, from);
      const piece = chunk.subarray(from, feed === -1 ? undefined : feed);
      size += piece.length;
      if (size > maxBytes) throw new LineError("too-long", `a line is longer than ${maxBytes} bytes`);
      // A copy, because who gives us chunks may use their memory again. (A Buffer's own slice is none.)
      if (piece.length > 0) begun.push(feed === -1 ? Buffer.from(piece) : piece);
      if (feed === -1) break;
      yield decode(Buffer.concat(begun));
      begun = [];
      size = 0;
      from = feed + 1;
    }
  }
  if (size > 0) throw new LineError("cut-off", `the input ended after ${size} bytes of a line`);
}

function decode(line: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line);
  } catch (cause) {
    throw new LineError("not-utf-8", "a line is not UTF-8", { cause });
  }
}

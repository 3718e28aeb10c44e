// SPDX-License-Identifier: Apache-2.0
import type { RawEntry } from "../../log/rekor-v1.ts";
import { MAX_LINE_BYTES } from "../protocol.ts";

/**
 * The `entries` lines (with LF) that say these entries, each line within the protocol's limit. An entry that
 * cannot be said in one line is said as `null`: one piece of junk must not hide the others.
 */
export function entryLines(id: number, entries: readonly RawEntry[], maxBytes = MAX_LINE_BYTES): string[] {
  const frame = (said: readonly string[]) => `{"say":"entries","id":${id},"entries":[${said.join(",")}]}\n`;
  // The frame's LF does not count, and the first entry has no comma before it.
  const room = maxBytes - Buffer.byteLength(frame([])) + 2;
  const lines: string[] = [];
  let said: string[] = [];
  let size = 0;
  for (const entry of entries) {
    const one = textOf(entry, room);
    const bytes = Buffer.byteLength(one) + 1;
    if (said.length > 0 && size + bytes > room) {
      lines.push(frame(said));
      said = [];
      size = 0;
    }
    said.push(one);
    size += bytes;
  }
  if (said.length > 0) lines.push(frame(said));
  return lines;
}

function textOf({ uuid, entry }: RawEntry, room: number): string {
  try {
    const text = JSON.stringify({ uuid, entry });
    if (Buffer.byteLength(text) < room) return text;
  } catch (error) {
    // What JSON.parse reads can be nested deeper than JSON.stringify can write.
    if (!(error instanceof RangeError)) throw error;
  }
  return JSON.stringify({ uuid, entry: null });
}

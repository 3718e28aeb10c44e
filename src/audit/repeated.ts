// SPDX-License-Identifier: Apache-2.0
import { dsse } from "@sigstore/core";
import { hash } from "node:crypto";
import { IN_TOTO_PAYLOAD_TYPE } from "../record/statement.ts";
import type { KeptEntry, ShownLine } from "./state.ts";

/** A line, and an entry of which its log has only a hash: of the line's statement, but for an earlier time. */
export interface Repeated {
  readonly entry: KeptEntry;
  readonly line: ShownLine;
}

/** So many statements are tried at most: seconds of work. */
const MAX_TRIED = 2_000_000;
/** The lines that are nearest behind an entry are tried, so many at most. */
const MAX_LINES = 256;
/** An observer that lost its state looks again within this time. */
const MAX_EARLIER_MS = 7 * 86_400_000;
/** A sighting is logged within this time. */
const FRESH_MS = 10 * 60_000;

/**
 * Finds entries that state what a line behind them states, seen at another second before it. A hash says nothing, but a statement that
 * is made anew has it or has it not. `wanted` are entries of one signer by what they have of their statements; `lines` are that
 * signer's. What is not found here may be anything.
 */
export function findRepeated(
  wanted: ReadonlyMap<string, KeptEntry>,
  lines: Iterable<ShownLine>,
): readonly Repeated[] {
  const firsts = new Map<string, number>();
  for (const { log, index } of wanted.values()) firsts.set(log, Math.min(index, firsts.get(log) ?? Infinity));
  let behind: ShownLine[] = [];
  const before = new Map<string, ShownLine>();
  for (const line of lines) {
    const first = firsts.get(line.log);
    if (first === undefined || line.payload === undefined) continue;
    if (line.index > first) {
      behind.push(line);
      if (behind.length > 2 * MAX_LINES) behind = nearest(behind);
    } else if (line.index > (before.get(line.log)?.index ?? -1)) before.set(line.log, line);
  }
  const found = new Map<string, Repeated>();
  let left = MAX_TRIED;
  for (const line of nearest(behind)) {
    const loggedBefore = before.get(line.log)?.loggedAt;
    const earliest = loggedBefore === undefined ? 0 : Date.parse(loggedBefore) - FRESH_MS;
    for (const what of earlierHashes(line, earliest)) {
      if (left === 0) return [...found.values()];
      left -= 1;
      const entry = wanted.get(what);
      if (entry !== undefined && entry.log === line.log && entry.index < line.index)
        found.set(what, { entry, line });
    }
    if (found.size === wanted.size) break;
  }
  return [...found.values()];
}

function nearest(lines: readonly ShownLine[]): ShownLine[] {
  return lines.toSorted((one, other) => one.index - other.index).slice(0, MAX_LINES);
}

/** What a log would have of the line's statement if it had been seen a second earlier, two seconds earlier, and so on. */
function* earlierHashes({ payload = "", observedAt }: ShownLine, earliest: number): Generator<string> {
  const signed = dsse.preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, Buffer.from(payload, "base64"));
  const textOf = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;
  const last = Date.parse(observedAt);
  const field = '"observedAt":"';
  const at = signed.indexOf(`${field}${textOf(last)}"`);
  if (at < 0) return;
  for (let ms = last - 1_000; ms >= Math.max(earliest, last - MAX_EARLIER_MS); ms -= 1_000) {
    signed.write(textOf(ms), at + field.length, "latin1");
    yield `signed ${hash("sha256", signed, "hex")}`;
  }
}

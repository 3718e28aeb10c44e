// SPDX-License-Identifier: Apache-2.0
import { type Digest, parseDigest, type Sha256, sha256 } from "../image/digest.ts";
import type { TagLines } from "../ledger/lines.ts";
import { parseSighting } from "../record/statement.ts";

/** The most approvals of a tag that are kept, the newest. */
const MAX_APPROVALS = 256;

/** What a line says, as far as an observer needs it. The ledger's head has been proven; the line itself is not. */
export interface LineContent {
  readonly digest: Digest;
  /** Undefined for an approval, and for what another one than an observer signed. */
  readonly sequence: number | undefined;
  /** sha256 of its statement. */
  readonly statement: Sha256;
}

/** Reads a line of a ledger. Throws RecordError, and SyntaxError for what is no line. */
export function lineContent(line: string): LineContent {
  const [, , digest = ""] = line.split(" ", 3);
  const { dsseEnvelope } = JSON.parse(line.slice(line.indexOf("{"))) as {
    dsseEnvelope: { payload: string };
  };
  const payload = Buffer.from(dsseEnvelope.payload, "base64");
  const { sequence } = parseSighting(payload);
  return { digest: parseDigest(digest), sequence, statement: sha256(payload) };
}

/** A numbered sighting. */
export type Newest = LineContent & { readonly sequence: number };

/** The newest sighting of an observer among these lines: the one with the highest number. Throws as `lineContent`. */
export function newestOf(lines: readonly string[]): Newest | undefined {
  let newest: Newest | undefined;
  for (const line of lines) {
    const content = lineContent(line);
    const { sequence } = content;
    if (sequence !== undefined && sequence >= (newest?.sequence ?? 0)) newest = { ...content, sequence };
  }
  return newest;
}

/**
 * The lines of a tag with these added: each once, and of the numbered ones no more than the first and the newest `keep`. What is
 * left out is the gap. Throws as `lineContent`.
 */
export function withLines({ gap, lines }: TagLines, added: readonly string[], keep: number): TagLines {
  const all = [...new Set([...lines, ...added])];
  if (all.length <= keep + 1) return { lines: all, ...(gap && { gap }) };
  const read = all.map((line) => ({ line, ...lineContent(line) }));
  const newest = Math.max(0, ...read.map(({ sequence = 0 }) => sequence));
  const to = Math.max(gap?.to ?? 0, newest - keep);
  const numbered = read.filter(({ sequence }) => sequence !== undefined && (sequence === 1 || sequence > to));
  const approvals = read
    .filter(({ sequence }) => sequence === undefined)
    // By the time in their second column.
    .toSorted((a, b) => (timeOf(a.line) < timeOf(b.line) ? -1 : 1))
    .slice(-MAX_APPROVALS);
  return {
    lines: [...numbered, ...approvals].map(({ line }) => line),
    ...(to >= 2 && { gap: { from: 2, to } }),
  };
}

function timeOf(line: string): string {
  return line.split(" ", 2)[1] ?? "";
}

// SPDX-License-Identifier: Apache-2.0

// Everything that could move a terminal's cursor, hide text or turn its direction, and what has no glyph at all.
const UNSAFE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\uFFFD]/gu;

/**
 * The start of a stranger's text on one line, safe to show in a terminal or a log: control, format and
 * direction characters become `?`, runs of white space one space, and what is longer than `max` characters
 * ends in `…`. Bytes are read as UTF-8.
 */
export function excerpt(text: string | Uint8Array, max = 80): string {
  // The cut before the work keeps a huge text from costing more than a small one.
  const room = typeof text === "string" ? max * 4 : max * 16;
  const start =
    typeof text === "string" ? text.slice(0, room) : new TextDecoder().decode(text.subarray(0, room));
  const safe = [...start.replace(/\s+/g, " ").replace(UNSAFE, "?").trim()];
  const more = safe.length > max || text.length > room;
  return more ? `${safe.slice(0, max).join("")}…` : safe.join("");
}

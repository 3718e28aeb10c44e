// SPDX-License-Identifier: Apache-2.0

// What Go's `unicode.IsSpace` knows beyond ASCII. JavaScript's `\s` differs at U+FEFF and U+0085, and a difference here could hide a line.
const SPACE = /[\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

/** Whether this one character is white space as BuildKit counts it. */
export function isSpace(char: string | undefined): boolean {
  if (char === undefined) return false;
  // Nearly every character is ASCII and needs no regular expression.
  return char < "\u0080" ? char === " " || (char >= "\t" && char <= "\r") : SPACE.test(char);
}

/** The text without white space at its beginning. */
export function trimStart(text: string): string {
  let start = 0;
  while (isSpace(text[start])) start++;
  return text.slice(start);
}

/** The text without white space at both ends. */
export function trimSpace(text: string): string {
  let end = text.length;
  while (isSpace(text[end - 1])) end--;
  return trimStart(text.slice(0, end));
}

/** The line without the line ends at its end, of which there may be several carriage returns. */
export function trimLineEnd(line: string): string {
  let end = line.length;
  while (line[end - 1] === "\r" || line[end - 1] === "\n") end--;
  return line.slice(0, end);
}

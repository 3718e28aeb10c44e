// SPDX-License-Identifier: Apache-2.0

// Go's `unicode.IsSpace`. JavaScript's `\s` differs at U+FEFF and U+0085, and a difference here could hide a line.
const SPACE = /[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

/** Whether this one character is white space as BuildKit counts it. */
export function isSpace(char: string | undefined): boolean {
  return char !== undefined && SPACE.test(char);
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

// SPDX-License-Identifier: Apache-2.0

const LETTER = /^\p{L}$/u;
const DIGIT = /^\p{Nd}$/u;
/** The shell's own variables, which a Dockerfile never has. */
const SPECIAL = new Set(["@", "*", "#", "?", "-", "$", "!"]);

// The Unicode classes take a millisecond to load, and hardly any name needs them.
function isDigit(char: string): boolean {
  return char < "\u0080" ? char >= "0" && char <= "9" : DIGIT.test(char);
}

function isNamePart(char: string): boolean {
  return isDigit(char) || (char < "\u0080" ? /^[A-Za-z_]$/.test(char) : LETTER.test(char));
}

/** Where the variable's name that begins at `start` ends: digits, one special character, or a word; `start` for none. */
export function variableNameEnd(chars: readonly string[], start: number): number {
  const first = chars[start];
  if (first === undefined) return start;
  if (SPECIAL.has(first)) return start + 1;
  const isPart = isDigit(first) ? isDigit : isNamePart;
  let end = start;
  for (let char = chars[end]; char !== undefined && isPart(char); char = chars[end]) end++;
  return end;
}

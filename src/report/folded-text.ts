// SPDX-License-Identifier: Apache-2.0

/** What an indented line has in a terminal of 80. */
export const COLUMNS = 78;

/** A sentence in lines that fit, broken between words; a word that does not fit has a line of its own. */
export function folded(sentence: string): string[] {
  return sentence.match(new RegExp(`\\S{${COLUMNS},}|\\S.{0,${COLUMNS - 2}}(?=\\s|$)`, "g")) ?? [sentence];
}

// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../log/excerpt.ts";

/** Longer words are nobody's slip of the finger. */
const MAX_LENGTH = 64;

/** How many characters must be added, taken away, exchanged or swapped to make one of the other. */
function distance(one: string, other: string): number {
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_, index) => index)];
  const at = (row: number, column: number) => rows[row]?.[column] ?? 0;
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    rows.push(current);
    for (let column = 1; column <= other.length; column++) {
      const isSame = one[row - 1] === other[column - 1];
      const isSwapped = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      current.push(
        Math.min(
          at(row - 1, column - 1) + (isSame ? 0 : 1),
          at(row - 1, column) + 1,
          at(row, column - 1) + 1,
          row > 1 && column > 1 && isSwapped ? at(row - 2, column - 2) + 1 : Infinity,
        ),
      );
    }
  }
  return at(one.length, other.length);
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[-_ ]/g, "");
}

/** The word that was probably meant, or undefined when none is close. Case, `-` and `_` hardly count. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > MAX_LENGTH) return undefined;
  const [best] = known
    .map((each) => ({ each, far: distance(plain(word), plain(each)) }))
    .toSorted((one, other) => one.far - other.far);
  if (best === undefined) return undefined;
  return best.far <= Math.min(2, Math.floor(best.each.length / 3)) ? best.each : undefined;
}

/** ` (did you mean "x"?)`, or nothing. */
export function suggestion(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? "" : ` (did you mean "${near}"?)`;
}

/** `"a", "b" or "c"`. */
export function quotedList(words: readonly string[]): string {
  const quoted = words.map((word) => `"${word}"`);
  return quoted.length < 2 ? quoted.join("") : `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
}

/** A value of a build argument that is refused; the message is a problem's text. */
export class WrongValue extends Error {
  override readonly name = "WrongValue";
}

/** The one of these words that an argument gives. Throws WrongValue. */
export function choose<const T extends string>(value: string, choices: readonly T[]): T {
  const choice = choices.find((each) => each === value);
  if (choice !== undefined) return choice;
  throw new WrongValue(`"${excerpt(value)}" is not ${quotedList(choices)}${suggestion(value, choices)}`);
}

// SPDX-License-Identifier: Apache-2.0

/** What the tokens of a pattern stand for. */
interface Meaning {
  /** Whether a token stands for a run: as many in a row as it matches. */
  readonly isRun: (token: string) => boolean;
  /** How many a run has at least. */
  readonly atLeast: 0 | 1;
  /** Whether a token matches one of the subject; for a run, whether it may be in it. */
  readonly isMatch: (token: string, given: string) => boolean;
}

/**
 * Whether the tokens of a pattern stand for the whole of a subject. The only way in which we match: without steps back, in
 * time that grows with the product of the lengths and no faster.
 */
export function matchesWhole(
  pattern: ArrayLike<string>,
  subject: Iterable<string>,
  { isRun, atLeast, isMatch }: Meaning,
): boolean {
  // A run may be left before it has matched anything. From one place on they are added without a gap, so none up to the
  // last one is missing.
  const add = (places: number[], place: number): void => {
    const last = places.at(-1);
    if (last !== undefined && place <= last) return;
    places.push(place);
    const token = pattern[place];
    if (atLeast === 0 && token !== undefined && isRun(token)) add(places, place + 1);
  };
  // Where the pattern may stand after each of the subject.
  let reached: number[] = [];
  add(reached, 0);
  for (const given of subject) {
    const next: number[] = [];
    for (const place of reached) {
      const token = pattern[place];
      if (token === undefined || !isMatch(token, given)) continue;
      const runs = isRun(token);
      if (runs) add(next, place);
      if (!runs || atLeast > 0) add(next, place + 1);
    }
    reached = next;
    if (reached.length === 0) return false;
  }
  return reached.at(-1) === pattern.length;
}

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
  pattern: readonly string[],
  subject: readonly string[],
  { isRun, atLeast, isMatch }: Meaning,
): boolean {
  const open = (places: Set<number>): Set<number> => {
    for (const place of places) {
      const token = pattern[place];
      if (token !== undefined && isRun(token) && atLeast === 0) places.add(place + 1);
    }
    return places;
  };
  // Where the pattern may stand after each of the subject.
  let reached = open(new Set([0]));
  for (const given of subject) {
    const next = new Set<number>();
    for (const place of reached) {
      const token = pattern[place];
      if (token === undefined || !isMatch(token, given)) continue;
      if (!isRun(token)) next.add(place + 1);
      else {
        next.add(place);
        if (atLeast > 0) next.add(place + 1);
      }
    }
    reached = open(next);
    if (reached.size === 0) return false;
  }
  return reached.has(pattern.length);
}

// SPDX-License-Identifier: Apache-2.0
import { Turns } from "../courier/turns.ts";
import { ProxyError } from "./error.ts";

/** Places for each party, so that none keeps the others waiting: a client's address, a registry. */
export interface FairTurns {
  /** How much is under way, or waits for a place. */
  readonly underWay: number;
  /** Does the work when the party has a place for it. Throws ProxyError where too much waits, and what the work throws. */
  take<T>(party: string, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

interface Party {
  readonly turns: Turns;
  count: number;
}

/** Each party has so many places, and so much more may wait; `what` says what there is too much of. */
export function openFairTurns({
  atOnce,
  waiting,
  what,
}: {
  readonly atOnce: number;
  readonly waiting: number;
  readonly what: string;
}): FairTurns {
  const parties = new Map<string, Party>();
  let underWay = 0;
  return {
    get underWay() {
      return underWay;
    },
    async take(name, signal, work) {
      const party = parties.get(name) ?? { turns: new Turns(atOnce), count: 0 };
      if (party.count >= atOnce + waiting)
        throw new ProxyError(
          "TOOMANYREQUESTS",
          `more than ${atOnce + waiting} ${what} at once; ask again in a second`,
          { headers: { "retry-after": "1" } },
        );
      parties.set(name, party);
      party.count++;
      underWay++;
      try {
        return await party.turns.take("", signal, async () => {
          if (signal.aborted)
            throw new ProxyError("UNAVAILABLE", "there was no place in time; ask again later");
          return work();
        });
      } finally {
        underWay--;
        if (--party.count === 0) parties.delete(name);
      }
    },
  };
}

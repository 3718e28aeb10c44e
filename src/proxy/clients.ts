// SPDX-License-Identifier: Apache-2.0
import { Turns } from "../courier/server/turns.ts";
import { ProxyError } from "./error.ts";

/** Sees to it that no client keeps the others waiting. */
export interface Clients {
  /** How many requests are under way, those that wait with them. */
  readonly underWay: number;
  /** Does the work of a client's request when it is its turn. Throws ProxyError for one too many, and what the work throws. */
  serve<T>(address: string, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

interface Client {
  readonly turns: Turns;
  requests: number;
}

/** Each client address has so many requests answered at once, and so many more wait. */
export function openClients({
  atOnce,
  waiting,
}: {
  readonly atOnce: number;
  readonly waiting: number;
}): Clients {
  const clients = new Map<string, Client>();
  let underWay = 0;
  return {
    get underWay() {
      return underWay;
    },
    async serve(address, signal, work) {
      const client = clients.get(address) ?? { turns: new Turns(atOnce), requests: 0 };
      if (client.requests >= atOnce + waiting)
        throw new ProxyError(
          "TOOMANYREQUESTS",
          `more than ${atOnce + waiting} requests at once from one address; ask again in a second`,
          { headers: { "retry-after": "1" } },
        );
      clients.set(address, client);
      client.requests++;
      underWay++;
      try {
        return await client.turns.take("requests", signal, async () => {
          if (signal.aborted) throw new ProxyError("UNAVAILABLE", "the client is gone");
          return work();
        });
      } finally {
        underWay--;
        if (--client.requests === 0) clients.delete(address);
      }
    },
  };
}

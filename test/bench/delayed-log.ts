// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { Agent, createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

/** What a log was asked. */
export interface Traffic {
  readonly requests: number;
  /** The most requests of which each came after the answer to the one before. */
  readonly roundTrips: number;
}

/** Counts requests, and how many came one after the other. */
export class RoundTrips {
  #requests = 0;
  #longest = 0;

  /** A request has come; what this gives is to be called when it is answered. */
  begin(): () => void {
    this.#requests += 1;
    const place = this.#longest + 1;
    return () => void (this.#longest = Math.max(this.#longest, place));
  }

  /** What was counted since this was last called. */
  take(): Traffic {
    const traffic = { requests: this.#requests, roundTrips: this.#longest };
    this.#requests = 0;
    this.#longest = 0;
    return traffic;
  }
}

/** A log that is far away. */
export interface DelayedLog {
  readonly url: string;
  /** What it was asked since this was last called. */
  take(): Traffic;
  close(): Promise<void>;
}

/**
 * Serves the log at this URL once more, on another port of the same address, with `delayMs` more before each answer, as a log has
 * that is so far away. Connections are made without delay.
 */
export async function startDelayedLog(logUrl: string, delayMs: number): Promise<DelayedLog> {
  const { hostname, port } = new URL(logUrl);
  const agent = new Agent({ keepAlive: true });
  const counted = new RoundTrips();
  const server = createServer((request, response) => {
    const ended = counted.begin();
    response.once("close", ended);
    void pause(delayMs).then(() => {
      const { method, url: path, headers } = request;
      const onward = httpRequest({ hostname, port, method, path, headers, agent }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.on("error", () => response.destroy());
      request.pipe(onward);
    });
  });
  server.listen({ host: hostname, port: 0 });
  await once(server, "listening");
  return {
    url: `http://${hostname}:${(server.address() as AddressInfo).port}`,
    take: () => counted.take(),
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      agent.destroy();
      await closed;
    },
  };
}

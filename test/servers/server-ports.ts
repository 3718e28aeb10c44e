// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { createServer } from "node:net";
import { freePort } from "../e2e/lab/ports.ts";
import { ServerError } from "./server-error.ts";

/** Where servers listen that only other servers of the same run talk to. */
export const LOOPBACK = "127.0.0.1";

const given = new Set<number>();

/** A free port, never the same one twice: nobody listens on it before it is used. */
export async function newPort(host: string = LOOPBACK): Promise<number> {
  for (;;) {
    const port = await freePort(host);
    if (port === undefined) throw new ServerError("NOT_STARTED", `there is no free port on ${host}`);
    if (given.has(port)) continue;
    given.add(port);
    return port;
  }
}

/** Keeps others from listening on this port until the returned function is called, if it is free. */
export async function holdPort(port: number): Promise<() => void> {
  const holder = createServer((socket) => socket.destroy());
  const listening = once(holder, "listening").then(
    () => true,
    () => false,
  );
  holder.listen(port, LOOPBACK);
  return (await listening) ? () => holder.close() : () => undefined;
}

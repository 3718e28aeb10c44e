// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * A port of this address on which nobody listens, for a server that wants to be told its port: `wanted`, or any.
 * Undefined when that port is taken, or the address is not one of this machine.
 */
export async function freePort(hostname: string, wanted = 0): Promise<number | undefined> {
  const server = createServer();
  try {
    server.listen(wanted, hostname);
    await once(server, "listening");
  } catch {
    return undefined;
  }
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" ? address?.port : undefined;
}

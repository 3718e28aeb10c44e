// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";

/** An address whose connections go on to others. */
export interface Forwarder {
  /** `hostname:port`. */
  readonly address: string;
  /** How many connections came so far. */
  connections(): number;
  close(): Promise<void>;
}

/** Passes each connection on to the next of these `hostname:port` in turn, as it is; with `tls`, what was in it. */
export async function startForwarder(
  {
    hostname,
    port = 0,
    tls,
  }: { readonly hostname: string; readonly port?: number; readonly tls?: TlsOptions },
  targets: readonly string[],
): Promise<Forwarder> {
  const open = new Set<Socket>();
  let came = 0;
  const pass = (socket: Socket): void => {
    const [host = "", onto] = (targets[came++ % targets.length] ?? "").split(":");
    const other = connect(Number(onto), host);
    socket.pipe(other).pipe(socket);
    for (const each of [socket, other]) {
      open.add(each);
      each.once("close", () => open.delete(each));
      each.on("error", () => [socket, other].forEach((one) => one.destroy()));
    }
  };
  const server: Server = tls === undefined ? createServer(pass) : createTlsServer(tls, pass);
  // A client that does not like the certificate.
  server.on("tlsClientError", () => undefined);
  server.listen(port, hostname);
  await once(server, "listening");
  return {
    address: `${hostname}:${(server.address() as AddressInfo).port}`,
    connections: () => came,
    async close() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Two ends of one connection. */
export async function socketPair(): Promise<[Socket, Socket]> {
  const directory = mkdtempSync(join(tmpdir(), "pair-"));
  const path = join(directory, "s");
  const server = createServer({ allowHalfOpen: true });
  server.listen(path);
  await once(server, "listening");
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const one = connect({ path, allowHalfOpen: true });
  const [other] = await accepted;
  server.close();
  rmSync(directory, { recursive: true });
  return [one, other];
}

/** What a process would have as its standard input and output, and BuildKit's ends of them. */
export interface StdioPair {
  readonly input: Socket;
  readonly output: Socket;
  readonly toInput: Socket;
  readonly fromOutput: Socket;
  /** Joins BuildKit's ends to who listens at this gRPC target. */
  relayTo(target: string): void;
  /** Ends BuildKit's side, as when the build is cancelled. */
  hangUp(): void;
  close(): void;
}

export async function stdioPair(): Promise<StdioPair> {
  const [input, toInput] = await socketPair();
  const [output, fromOutput] = await socketPair();
  const sockets = [input, output, toInput, fromOutput];
  for (const socket of [toInput, fromOutput]) socket.on("error", () => undefined);
  return {
    input,
    output,
    toInput,
    fromOutput,
    relayTo(target) {
      const buildkit = connect(target.slice("unix:".length));
      buildkit.on("error", () => undefined);
      sockets.push(buildkit);
      fromOutput.pipe(buildkit).pipe(toInput);
    },
    hangUp() {
      toInput.destroy();
      fromOutput.destroy();
    },
    close() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

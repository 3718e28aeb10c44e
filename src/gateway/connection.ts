// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The way to BuildKit: an address that gRPC can dial once, and what ends it. */
export interface Connection {
  /** A gRPC target: `unix:/…`. */
  readonly target: string;
  close(): void;
}

/**
 * Makes the HTTP/2 stream that BuildKit holds on our standard input and output dialable.
 *
 * grpc-js only dials addresses, so one socket in a private directory is joined to the two file descriptors. It
 * takes exactly one connection. When BuildKit closes its end (the build was cancelled), `onEnd` is called.
 */
export async function joinStdio(input: Socket, output: Socket, onEnd: () => void): Promise<Connection> {
  const directory = mkdtempSync(join(tmpdir(), "tlog-"));
  const path = join(directory, "buildkit.sock");
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    server.close();
    socket.pipe(output);
    input.pipe(socket);
    socket.on("error", onEnd);
  });
  server.maxConnections = 1;
  input.on("error", onEnd).on("end", onEnd);
  output.on("error", onEnd);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(path, resolve);
  });
  return {
    target: `unix:${path}`,
    close() {
      server.close();
      input.destroy();
      output.destroy();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A start by somebody else than BuildKit, such as by hand. */
export class NotABuildError extends Error {
  override readonly name = "NotABuildError";
}

/**
 * Standard input and output as sockets: unlike `process.stdout` they never block on a full pipe. Throws
 * NotABuildError when one of them is no pipe or socket.
 */
export function stdioSockets(): { input: Socket; output: Socket } {
  try {
    return {
      input: new Socket({ fd: 0, readable: true, writable: false }),
      output: new Socket({ fd: 1, readable: false, writable: true }),
    };
  } catch (cause) {
    throw new NotABuildError(
      'this image is a BuildKit frontend and is not run by hand: put "# syntax=" and its name on the first line of a Dockerfile, or build with --build-arg BUILDKIT_SYNTAX= and its name',
      { cause },
    );
  }
}

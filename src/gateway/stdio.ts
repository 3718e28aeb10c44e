// SPDX-License-Identifier: Apache-2.0
import { Socket } from "node:net";
import { Duplex, type Readable, type Writable } from "node:stream";

/** A start by somebody else than BuildKit, such as by hand. */
export class NotABuildError extends Error {
  override readonly name = "NotABuildError";
}

/**
 * The stream to BuildKit, which is on the other end of our standard input and output. Sockets never block on a full pipe,
 * as `process.stdout` does. Throws NotABuildError when one of them is no pipe or socket.
 */
export function stdioStream(): Duplex {
  try {
    return joined(
      new Socket({ fd: 0, readable: true, writable: false }),
      new Socket({ fd: 1, readable: false, writable: true }),
    );
  } catch (cause) {
    throw new NotABuildError(
      'this image is a BuildKit frontend and is not run by hand: put "# syntax=" and its name on the first line of a Dockerfile, or build with --build-arg BUILDKIT_SYNTAX= and its name',
      { cause },
    );
  }
}

/** One stream out of two: what is read comes from `input`, what is written goes to `output`. It ends when one of them does. */
export function joined(input: Readable, output: Writable): Duplex {
  const stream = new Duplex({
    read() {
      input.resume();
    },
    write(chunk, encoding, callback) {
      output.write(chunk, encoding, callback);
    },
    final(callback) {
      output.end(callback);
    },
    destroy(error, callback) {
      input.destroy();
      output.destroy();
      callback(error);
    },
  });
  input.on("data", (chunk) => {
    if (!stream.push(chunk)) input.pause();
  });
  input.on("end", () => stream.push(null));
  // Whoever uses the stream hears of its end.
  stream.on("error", () => undefined);
  for (const end of [input, output]) {
    end.on("error", () => stream.destroy());
    end.on("close", () => stream.destroy());
  }
  input.pause();
  return stream;
}

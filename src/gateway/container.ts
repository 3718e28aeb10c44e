// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { type moby, pb } from "../../gen/gateway.js";
import type { Bridge, ExecMessage, ExecStream } from "./bridge.ts";
import { readResult } from "./result.ts";

/** A process in a container that BuildKit runs for us. */
export interface ContainerProcess {
  /** What it prints on standard output, as it comes. Ends when the process ends; throws when the process cannot run or fails. */
  readonly output: AsyncIterable<Uint8Array>;
  write(bytes: Uint8Array): void;
  /** Ends its input, and tells BuildKit to end the container, which goes on after this. Never throws. */
  close(): void;
}

export interface ContainerOptions {
  /** The encoded LLB definition of the root filesystem, which is mounted read-only. */
  readonly rootfs: Uint8Array;
  readonly args: readonly string[];
  /** `NAME=value` each. */
  readonly env: readonly string[];
  /** Build secrets to mount as files where the build has them. */
  readonly secrets: readonly { readonly id: string; readonly path: string }[];
}

/** A container process that could not be started or that failed. */
export class ContainerError extends Error {
  override readonly name = "ContainerError";
}

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
/** As much of its standard error as an error message carries, in bytes. */
const MAX_STDERR_BYTES = 2048;

/**
 * Starts a process in a container of its own, with the network that RUN steps have. The output iterates once.
 *
 * Throws ServiceError when BuildKit refuses the container.
 */
export async function startContainer(bridge: Bridge, options: ContainerOptions): Promise<ContainerProcess> {
  const rootfs = readResult(await bridge.solve({ Definition: pb.Definition.decode(options.rootfs) }));
  const resultID = rootfs.refs[0]?.id;
  if (!resultID) throw new ContainerError("BuildKit did not give the root filesystem of this frontend");
  // BuildKit takes letters and digits alone.
  const containerId = randomUUID().replaceAll("-", "");
  await bridge.newContainer({
    ContainerID: containerId,
    Network: pb.NetMode.UNSET,
    Mounts: [
      { dest: "/", input: 0, output: 0, resultID, readonly: true, mountType: pb.MountType.BIND },
      ...options.secrets.map(({ id, path }) => ({
        dest: path,
        input: -1,
        output: -1,
        mountType: pb.MountType.SECRET,
        secretOpt: { ID: id, mode: 0o400, optional: true },
      })),
    ],
  });
  const processId = randomUUID().replaceAll("-", "");
  const stream = bridge.execProcess();
  const output = outputOf(stream);
  stream.write({
    ProcessID: processId,
    Init: {
      ContainerID: containerId,
      Meta: { args: [...options.args], env: [...options.env], cwd: "/" },
      Fds: [STDIN, STDOUT, STDERR],
    },
  });
  let closed = false;
  return {
    output,
    write(bytes) {
      stream.write({ ProcessID: processId, File: { Fd: STDIN, Data: bytes } });
    },
    close() {
      if (closed) return;
      closed = true;
      // BuildKit says that the process is done only after its input has been ended.
      stream.write({ ProcessID: processId, File: { Fd: STDIN, EOF: true } });
      stream.end();
      // Nobody waits for the end: what is sent now reaches BuildKit before the answer to the build does.
      bridge.releaseContainer(containerId).then(
        () => stream.cancel(),
        () => stream.cancel(),
      );
    },
  };
}

/** Collects from the start, so that nothing is lost and no error of the stream goes without a listener. */
function outputOf(stream: ExecStream): AsyncIterable<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let ended = false;
  let failure: Error | undefined;
  let stderr = "";
  let wake = (): void => undefined;
  const end = (error?: Error): void => {
    failure ??= ended ? undefined : error;
    ended = true;
    wake();
  };
  stream.on("data", (message: ExecMessage) => {
    if (message.File?.Fd === STDOUT && message.File.Data?.length) {
      chunks.push(message.File.Data);
      wake();
    } else if (message.File?.Fd === STDERR && message.File.Data) {
      stderr = (stderr + Buffer.from(message.File.Data).toString()).slice(-MAX_STDERR_BYTES);
    } else if (message.Exit) {
      end(exitError(message.Exit, stderr));
    } else if (message.Done) {
      end();
    }
  });
  stream.on("error", end);
  stream.on("end", () => end());
  return {
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const chunk = chunks.shift();
        if (chunk) yield chunk;
        else if (failure) throw failure;
        else if (ended) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}

function exitError(
  exit: moby.buildkit.v1.frontend.ExitMessage.$Properties,
  stderr: string,
): Error | undefined {
  if (!exit.Code && !exit.Error) return undefined;
  const reason = exit.Error?.message || `exit code ${exit.Code}`;
  return new ContainerError(
    [`the courier's process ended: ${reason}`, stderr.trim()].filter(Boolean).join(": "),
  );
}

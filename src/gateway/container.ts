// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { type moby, pb } from "../../gen/gateway.js";
import { Readable } from "node:stream";
import type { Bridge } from "./bridge.ts";
import type { ExecMessage, ExecStream } from "./exec-stream.ts";
import { readResult } from "./result.ts";

/** A process in a container that BuildKit runs for us. */
export interface ContainerProcess {
  /** What it prints on standard output, as it comes. Ends when the process ends; throws when the process cannot run or fails. */
  readonly output: Readable;
  write(bytes: Uint8Array): void;
  /** Ends its input, and tells BuildKit to end the container, which goes on after this. Never throws. */
  close(): void;
}

export interface ContainerOptions {
  /** What runs in it, for messages: `the courier`. */
  readonly name: string;
  /** The encoded LLB definition of the root filesystem, which is mounted read-only unless `writable`. */
  readonly rootfs: Uint8Array;
  readonly writable?: boolean;
  readonly args: readonly string[];
  /** An absolute path; the root when not given. */
  readonly directory?: string;
  /** Whether it has the network that RUN steps have, or none at all. */
  readonly network: boolean;
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
/** How long BuildKit may take to start a container, in milliseconds. */
const START_MS = 30_000;

/**
 * Starts a process in a container of its own. Throws CallError when BuildKit refuses the container, and ContainerError
 * when it does not give the root filesystem, or does not start the container within `startMs`.
 */
export async function startContainer(
  bridge: Bridge,
  options: ContainerOptions,
  startMs = START_MS,
): Promise<ContainerProcess> {
  const starting = start(bridge, options);
  return within(startMs, starting, () => {
    // BuildKit may start it later all the same.
    starting.then(
      (container) => container.close(),
      () => undefined,
    );
    throw new ContainerError(
      `BuildKit did not start the container of ${options.name} within ${startMs / 1000} seconds; build again, and restart BuildKit or Docker Engine if that does not help`,
    );
  });
}

/** What `work` gives, or what `late` gives when the work takes longer than this many milliseconds. */
export async function within<T>(ms: number, work: Promise<T>, late: () => T): Promise<T> {
  const timer = new AbortController();
  try {
    return await Promise.race([work, pause(ms, undefined, { signal: timer.signal }).then(late)]);
  } finally {
    timer.abort();
  }
}

async function start(bridge: Bridge, options: ContainerOptions): Promise<ContainerProcess> {
  const rootfs = readResult(await bridge.solve({ Definition: options.rootfs }));
  const resultID = rootfs.refs[0]?.id;
  if (!resultID) throw new ContainerError(`BuildKit did not give the root filesystem of ${options.name}`);
  const containerId = newId();
  await bridge.newContainer({
    ContainerID: containerId,
    Network: options.network ? pb.NetMode.UNSET : pb.NetMode.NONE,
    Mounts: [
      { dest: "/", input: 0, output: 0, resultID, readonly: !options.writable, mountType: pb.MountType.BIND },
      ...options.secrets.map(({ id, path }) => ({
        dest: path,
        input: -1,
        output: -1,
        mountType: pb.MountType.SECRET,
        secretOpt: { ID: id, mode: 0o400, optional: true },
      })),
    ],
  });
  const processId = newId();
  const stream = bridge.execProcess();
  let closed = false;
  // BuildKit says that the process has ended, and how, only after its input has been ended.
  const endInput = (): void => {
    if (!closed) stream.write({ ProcessID: processId, File: { Fd: STDIN, EOF: true } });
  };
  const output = outputOf(stream, options.name, endInput);
  stream.write({
    ProcessID: processId,
    Init: {
      ContainerID: containerId,
      Meta: { args: [...options.args], env: [...options.env], cwd: options.directory ?? "/" },
      Fds: [STDIN, STDOUT, STDERR],
    },
  });
  return {
    output,
    write(bytes) {
      stream.write({ ProcessID: processId, File: { Fd: STDIN, Data: bytes } });
    },
    close() {
      if (closed) return;
      endInput();
      closed = true;
      stream.end();
      // Nobody waits for the end: what is sent now reaches BuildKit before the answer to the build does.
      bridge.releaseContainer(containerId).then(
        () => stream.cancel(),
        () => stream.cancel(),
      );
    },
  };
}

/** BuildKit takes letters and digits alone. Node draws UUIDs ahead, and all processes of one snapshot would have the same. */
function newId(): string {
  return randomBytes(16).toString("hex");
}

/** What comes on standard output. Ends with the process, or with the error that ended it, after all that came before. */
function outputOf(stream: ExecStream, name: string, onEndOfOutput: () => void): Readable {
  const chunks: Uint8Array[] = [];
  let stderr = "";
  let over: { readonly error?: Error | undefined } | undefined;
  let wake = (): void => undefined;
  const end = (error?: Error): void => {
    over ??= { error };
    wake();
  };
  stream.listen({
    message({ File: file, Exit: exit, Done: done }: ExecMessage) {
      if (file?.Fd === STDOUT && file.Data?.length && over === undefined) {
        // Nobody reads any more what comes after that.
        if (!output.destroyed) chunks.push(file.Data);
        wake();
      } else if (file?.Fd === STDERR && file.Data)
        stderr = (stderr + Buffer.from(file.Data).toString()).slice(-MAX_STDERR_BYTES);
      else if (file?.Fd === STDOUT && file.EOF) onEndOfOutput();
      else if (exit) end(exitError(exit, name, stderr));
      else if (done) end();
    },
    end,
  });
  async function* read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      yield* chunks.splice(0);
      if (chunks.length > 0) continue;
      if (over?.error !== undefined) throw over.error;
      if (over !== undefined) return;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  }
  // It takes the next chunk, or the error, when all before it is read: an error drops what is not.
  const output = Readable.from(read(), { objectMode: false, highWaterMark: 1 });
  // Whoever reads hears of it; whoever has stopped reading does not have to.
  output.on("error", () => undefined);
  return output;
}

function exitError(
  exit: moby.buildkit.v1.frontend.ExitMessage.$Properties,
  name: string,
  stderr: string,
): Error | undefined {
  if (!exit.Code && !exit.Error) return undefined;
  const reason = exit.Error?.message || `exit code ${exit.Code}`;
  return new ContainerError([`${name}'s process ended: ${reason}`, stderr.trim()].filter(Boolean).join(": "));
}

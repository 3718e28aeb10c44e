// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { Http2Error } from "../gateway/http2-frame.ts";
import { serveGateway } from "../gateway/server.ts";
import { joined } from "../gateway/stdio.ts";
import { type Conversion, ConversionError } from "./conversion.ts";

/** Nobody: the conversion cannot reach what our own process has open, nor our files. */
const NOBODY = 65_534;

/** The most memory that the conversion may take, in bytes, and how often that is looked at, in milliseconds. */
const MAX_MEMORY_BYTES = 1024 * 1024 * 1024;
const LOOK_EVERY_MS = 250;
const PAGE_BYTES = 4096;

/** As much of what it prints as an error message carries, in bytes. */
const MAX_STDERR_BYTES = 2048;

/**
 * Starts the standard Dockerfile conversion, BuildKit's `dockerfile-frontend`, as a child process. It has the gateway on its
 * standard input and output and nothing else: the build's own variables, no other environment, no network, no secret.
 */
export function startChild(program: string, environment: Readonly<Record<string, string>>): Conversion {
  const isRoot = process.getuid?.() === 0;
  const child = spawn(program, [], {
    cwd: "/",
    env: environment,
    stdio: ["pipe", "pipe", "pipe"],
    ...(isRoot && { uid: NOBODY, gid: NOBODY }),
  });
  let stderr = "";
  let excess: string | undefined;
  child.stderr.on("data", (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-MAX_STDERR_BYTES)));
  const watching = watchMemory(child, () => {
    excess = `it took more than ${MAX_MEMORY_BYTES / 1024 / 1024} MiB of memory`;
  });
  const stream = joined(child.stdout, child.stdin);
  const ended = new Promise<ConversionError>((resolve) => {
    const without = (how: string): void =>
      resolve(new ConversionError(`the Dockerfile conversion ended without an answer: ${how}`));
    child.once("error", (cause) => {
      resolve(
        new ConversionError(`cannot start the Dockerfile conversion "${program}": ${cause.message}`, {
          cause,
        }),
      );
    });
    child.once("exit", (code, signal) => {
      const how = excess ?? (signal ? `signal ${signal}` : `exit code ${code}`);
      const said = stderr.trim();
      without(`${how}${said && `: ${said}`}`);
    });
    // It does not keep to the protocol. A pipe that breaks is of a process that ends, which says more.
    stream.on("error", (error) => {
      if (error instanceof Http2Error) without(error.message);
    });
  }).finally(() => clearInterval(watching));
  return {
    serve: (answer) => serveGateway(stream, answer),
    ended,
    async end() {
      child.kill("SIGKILL");
    },
  };
}

function watchMemory(child: ChildProcess, onExcess: () => void): NodeJS.Timeout {
  const look = async (): Promise<void> => {
    const [, pages = "0"] = (await readFile(`/proc/${child.pid}/statm`, "utf8")).split(" ");
    if (Number(pages) * PAGE_BYTES <= MAX_MEMORY_BYTES) return;
    onExcess();
    child.kill("SIGKILL");
  };
  // It has ended when there is nothing to read.
  return setInterval(() => void look().catch(() => undefined), LOOK_EVERY_MS).unref();
}

// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { atExit } from "./at-exit.ts";
import { LabError, lastLines } from "./lab-error.ts";

/** How a command ended. `output` is what came on both streams in order of arrival. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly output: string;
  readonly durationMs: number;
}

export interface CommandOptions {
  readonly cwd?: string;
  /** The whole environment; without it the command inherits ours. */
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** What the command reads on standard input; nothing if not given. */
  readonly input?: string | Uint8Array;
  /** Called with each line of standard error as it comes. */
  readonly onLine?: (line: string) => void;
}

/** The most output that is kept of one stream, in bytes; the rest is dropped. */
const MAX_OUTPUT_BYTES = 32 * 1024 * 1024;

/**
 * Runs a program in a process group of its own and waits for it, whatever its exit code (128 + signal if a
 * signal ended it). Throws LabError TIMEOUT after `timeoutMs`, when the whole group has been killed.
 */
export async function run(
  file: string,
  args: readonly string[],
  { cwd, env, timeoutMs, input, onLine }: CommandOptions,
): Promise<Outcome> {
  const start = performance.now();
  const child = spawn(file, args, {
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env: { ...env } }),
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const forget = atExit(() => killGroup(child));
  const stdout = collect();
  const stderr = collect();
  const output = collect();
  child.stdout.on("data", (bytes: Buffer) => (stdout.add(bytes), output.add(bytes)));
  child.stderr.on("data", (bytes: Buffer) => (stderr.add(bytes), output.add(bytes)));
  if (onLine !== undefined) eachLine(child, onLine);
  // A program that does not read its input closes the pipe; its exit code tells the rest.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);

  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killGroup(child);
  }, timeoutMs);
  try {
    const code = await ended(child, file);
    const outcome = {
      code,
      stdout: stdout.text(),
      stderr: stderr.text(),
      output: output.text(),
      durationMs: performance.now() - start,
    };
    if (late) {
      throw new LabError(
        "TIMEOUT",
        `"${file} ${args.join(" ")}" did not end within ${timeoutMs} ms and was killed; its output ends with:\n${lastLines(outcome.output)}`,
      );
    }
    return outcome;
  } finally {
    clearTimeout(timer);
    forget();
  }
}

/** Like `run`, for a command that must work: throws LabError COMMAND_FAILED with its last lines when it does not. */
export async function mustRun(
  file: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<Outcome> {
  const outcome = await run(file, args, options);
  if (outcome.code !== 0) {
    throw new LabError(
      "COMMAND_FAILED",
      `"${file} ${args.join(" ")}" ended with exit code ${outcome.code}; its output ends with:\n${lastLines(outcome.output)}`,
    );
  }
  return outcome;
}

function ended(child: ChildProcess, file: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", (cause) =>
      reject(new LabError("COMMAND_FAILED", `cannot run "${file}": ${cause.message}`, { cause })),
    );
    child.once("close", (code, signal) => resolve(code ?? (signal === "SIGKILL" ? 137 : 143)));
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It ended in the meantime.
  }
}

function collect(): { add: (bytes: Buffer) => void; text: () => string } {
  const chunks: Buffer[] = [];
  let size = 0;
  return {
    add(bytes) {
      if (size < MAX_OUTPUT_BYTES) chunks.push(bytes);
      size += bytes.length;
    },
    text: () => Buffer.concat(chunks).toString("utf8"),
  };
}

function eachLine(child: ChildProcess, onLine: (line: string) => void): void {
  let rest = "";
  child.stderr?.on("data", (bytes: Buffer) => {
    const lines = (rest + bytes.toString("utf8")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
}

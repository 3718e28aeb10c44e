// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import * as v from "valibot";
import { excerpt } from "../log/excerpt.ts";
import { conform, parseJson } from "../log/foreign-json.ts";
import { RegistryError } from "./error.ts";

/** What a helper keeps for a server. */
export interface KeptCredential {
  readonly username: string;
  readonly secret: string;
}

const DEADLINE_MS = 10_000;
const MAX_OUTPUT_BYTES = 64 * 1024;
/** What helpers print, and end badly with, when they have none. */
const NONE = "credentials not found";

const Output = v.object({ Username: v.string(), Secret: v.string() });

/**
 * Asks one of Docker's credential helpers, `docker-credential-NAME` on the PATH of `environment`, for a server. Undefined when it
 * has none. Throws RegistryError, which repeats nothing of what it printed: `needs-credentials`, and `unreachable` when the signal
 * ended it.
 */
export async function askHelper({
  helper,
  server,
  environment,
  signal,
}: {
  readonly helper: string;
  readonly server: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}): Promise<KeptCredential | undefined> {
  const program = `docker-credential-${helper}`;
  const fail = (why: string, cause?: unknown) =>
    new RegistryError(
      signal.aborted ? "unreachable" : "needs-credentials",
      `"${program}" for "${excerpt(server, 300)}": ${why}; run it by hand to see why`,
      { cause },
    );
  const { code, output } = await run(program, { input: server, environment, signal }, fail);
  if (code !== 0) {
    if (output.toString("utf8").includes(NONE)) return undefined;
    throw fail(code === null ? "it was killed" : `it ended with exit code ${code}`);
  }
  const json = parseJson(output, () => fail("what it printed is not JSON"));
  const { Username, Secret } = conform(Output, json, () => fail("what it printed are no credentials"));
  return Secret === "" ? undefined : { username: Username, secret: Secret };
}

function run(
  program: string,
  {
    input,
    environment,
    signal,
  }: {
    readonly input: string;
    readonly environment: Readonly<Record<string, string | undefined>>;
    readonly signal: AbortSignal;
  },
  fail: (why: string, cause?: unknown) => Error,
): Promise<{ readonly code: number | null; readonly output: Buffer }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ["get"], { env: environment, stdio: ["pipe", "pipe", "ignore"] });
    const chunks: Buffer[] = [];
    let size = 0;
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);
    const giveUp = (error: Error) => {
      deadline.removeEventListener("abort", late);
      child.kill("SIGKILL");
      // What it started may still hold the pipe.
      child.stdout.destroy();
      reject(error);
    };
    const late = () => giveUp(fail("it did not answer in time"));
    if (deadline.aborted) late();
    else deadline.addEventListener("abort", late, { once: true });
    child.on("error", (cause) => giveUp(fail("it cannot be started; is it on the PATH?", cause)));
    // It may end without reading.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_OUTPUT_BYTES) giveUp(fail(`it printed more than ${MAX_OUTPUT_BYTES} bytes`));
      else chunks.push(chunk);
    });
    child.on("close", (code) => {
      deadline.removeEventListener("abort", late);
      resolve({ code, output: Buffer.concat(chunks) });
    });
  });
}

// SPDX-License-Identifier: Apache-2.0
import { build } from "esbuild";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { CourierChannel } from "../../src/courier/client/channel.ts";
import { courierCommand } from "../../src/courier/client/container.ts";
import { splitLines } from "../../src/courier/protocol.ts";

/** A courier's process and all that it has said. */
export interface CourierProcess {
  readonly child: ChildProcess;
  readonly channel: CourierChannel;
  readonly said: () => string;
  readonly complained: () => string;
  /** Its exit code. */
  readonly ended: Promise<number | null>;
}

/** The program as it ships. */
export interface CourierProgram {
  /** The file that Node runs. */
  readonly program: string;
  /** Starts it for the running test, with these build secrets by name. */
  start(given?: {
    readonly secrets?: Readonly<Record<string, string>>;
    readonly env?: Readonly<Record<string, string>>;
  }): CourierProcess;
}

/** Has a statement recorded in the Rekor v1 log at this URL, where a certificate authority may be too; gives its UUID. */
export async function recordIn(
  url: string,
  {
    channel,
    statement,
    signal,
  }: {
    readonly channel: CourierChannel;
    readonly statement: Uint8Array;
    readonly signal: AbortSignal;
  },
): Promise<string> {
  const what = { log: { url, api: 1 as const }, fulcio: url, timestamps: [], statement };
  const recorded = await channel.record(what, { signal });
  if (!("uuid" in recorded)) throw new Error("the courier gave no UUID");
  return recorded.uuid;
}

/** Bundles a program as the frontend image ships it, into `directory` under this name. */
export async function bundle(entryPoint: string, directory: string, name: string): Promise<void> {
  await build({
    entryPoints: { [name]: entryPoint },
    outdir: directory,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    chunkNames: `${name}-[name]-[hash]`,

    banner: {
      js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
    },
  });
  writeFileSync(join(directory, "package.json"), '{"type":"module"}');
}

/** Bundles the courier before the tests of the file that calls it, and removes it after them. */
export function courierProgram(): CourierProgram {
  const directory = mkdtempSync(join(tmpdir(), "tlog-courier-"));
  const program = join(directory, "courier.js");
  beforeAll(() => bundle("src/courier/server/main.ts", directory, "courier"));
  afterAll(() => rmSync(directory, { recursive: true }));
  return {
    program,
    start({ secrets = {}, env = {} } = {}) {
      const mounted = mkdtempSync(join(directory, "secrets-"));
      for (const [name, secret] of Object.entries(secrets)) writeFileSync(join(mounted, name), secret);
      return run(program, { TLOG_SECRETS_DIR: mounted, ...env });
    },
  };
}

function run(program: string, env: Readonly<Record<string, string>>): CourierProcess {
  const [node, ...args] = courierCommand(program);
  const child = spawn(node, args, { env, stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  let complained = "";
  child.stderr.on("data", (chunk: Buffer) => (complained += chunk.toString()));
  child.stdin.on("error", () => undefined);
  const output = (async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      said += chunk.toString();
      yield chunk;
    }
  })();
  const channel = new CourierChannel({
    write: (line) => void child.stdin.write(line),
    close: () => child.stdin.end(),
    lines: splitLines(output),
  });
  const ended = once(child, "close").then(([code]) => code as number | null);
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return { child, channel, said: () => said, complained: () => complained, ended };
}

// SPDX-License-Identifier: Apache-2.0
// The entry that a person starts: `docker run org/tlog-dockerfile COMMAND …`. Each command loads its own program.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { excerpt } from "./log/excerpt.ts";
import { type CommandIo, type CommandProgram, EXIT, helpTable, UsageError } from "./program/command-line.ts";
import { suggestion } from "./policy/policy-error.ts";

interface Command {
  /** One line for the help. */
  readonly does: string;
  readonly load: () => Promise<CommandProgram>;
  /** What Node keeps for what is new, in MiB; 2 when not given. */
  readonly youngMiB?: number;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  observe: {
    does: "watch tags, and record in a ledger what they name",
    load: async () => {
      const { observe } = await import("./observer/command.ts");
      return (args, io) =>
        observe(args, {
          io,
          // Loaded for a run alone: a configuration that cannot be used is told at once.
          runOnce: async (...run) => (await import("./observer/observe.ts")).observer(io)(...run),
        });
    },
  },
  approve: {
    does: "approve an image for a tag that moved, outside a build",
    load: async () => (await import("./observer/approve.ts")).approve,
  },
  history: {
    does: "show which images a tag named when, and by whose records",
    load: async () => (await import("./history/command/command.ts")).history,
  },
  audit: {
    does: "read logs and ledgers to their ends, and tell where they contradict",
    load: async () => (await import("./audit/command.ts")).audit,
  },
  site: {
    does: "make a static site of a ledger: what moved, each tag's history, each record with its proof",
    load: async () => (await import("./site/command.ts")).site,
  },
  serve: {
    does: "a registry proxy: pulls through it are judged as in builds",
    load: async () => (await import("./proxy/command.ts")).serve,
    // With less, what many requests at once leave behind grows old before it is dropped: 400 MiB instead of 150.
    youngMiB: 16,
  },
};

/** Beside the bundle; from a checkout, what `npm run build` made. */
const SHIPPED = import.meta.filename.endsWith(".ts")
  ? join(import.meta.dirname, "..", "dist")
  : import.meta.dirname;

const HELP = `Usage: COMMAND [options]

Programs of tlog-dockerfile that run outside builds. In builds, this image is a BuildKit frontend: put
"# syntax=" and its name on the first line of a Dockerfile.

${helpTable(Object.entries(COMMANDS).map(([name, { does }]) => [name, does]))}
COMMAND --help says more of one; --version says which version this is.
`;

/** Runs the command that these arguments name. Resolves with the exit status; errors are said on standard error. */
export async function main(args: readonly string[], io: CommandIo = ownProcess(args[0])): Promise<number> {
  const [name = "", ...rest] = args;
  if (["--help", "-h", "help"].includes(name)) {
    io.stdout.write(HELP);
    return EXIT.well;
  }
  if (name === "--version") {
    const { VERSION } = await import("./attestation/predicate.ts");
    io.stdout.write(`tlog-dockerfile ${VERSION}\n`);
    return EXIT.well;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  try {
    if (command === undefined) throw new UsageError(whyNoCommand(name));
    return await (
      await command.load()
    )(rest, io);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const where = command === undefined ? "" : ` ${name}`;
    io.stderr.write(`tlog-dockerfile${where}: ${error.message}\n`);
    return EXIT.usage;
  }
}

function whyNoCommand(name: string): string {
  const names = Object.keys(COMMANDS);
  const known = `commands are ${names.map((each) => `"${each}"`).join(", ")}; --help says more`;
  if (name === "") return `no command is given; ${known}`;
  const what = name.startsWith("-") ? "option" : "command";
  return `the ${what} "${excerpt(name)}" is not known${suggestion(name, names)}; ${known}`;
}

/**
 * What a program reads is dropped at once, and Node would keep up to a hundred megabytes for it. Only its start can say that it
 * is less.
 */
const YOUNG_GENERATION = "--max-semi-space-size=";
const YOUNG_MIB = 2;

/** This process, started anew in its place where it keeps too much memory for this command. */
function ownProcess(name = ""): CommandIo {
  const { argv, env, execArgv, execPath } = process;
  const { youngMiB = YOUNG_MIB } = (Object.hasOwn(COMMANDS, name) && COMMANDS[name]) || {};
  const young = `${YOUNG_GENERATION}${youngMiB}`;
  if (!execArgv.includes(young))
    process.execve?.(execPath, [execPath, young, ...execArgv, ...argv.slice(1)], env);
  return processIo();
}

/** This process: it ends on SIGINT and SIGTERM when the command does, and on a second one at once. */
function processIo(): CommandIo {
  const ending = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (ending.signal.aborted) process.exit(EXIT.killed);
      ending.abort();
    });
  }
  // Whoever read them is gone.
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", () => process.exit(EXIT.incomplete));
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
    directory: process.cwd(),
    shipped: SHIPPED,
    now: () => new Date(),
    clock: () => performance.now(),
    pause: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
    signal: ending.signal,
  };
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));

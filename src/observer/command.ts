// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../log/excerpt.ts";
import { useProxies } from "../courier/server/proxies.ts";
import {
  type CommandIo,
  EXIT,
  optionsHelp,
  type OptionRow,
  readArguments,
  readDuration,
  UsageError,
} from "../program/command-line.ts";
import { CONFIGURATION_FILE, type ObserverConfiguration } from "./configuration.ts";
import { readConfigurationFile } from "./configuration-file.ts";
import { eventJson, eventText, type ObserverEvent, type RunSummary } from "./event.ts";
import type { RunOnce } from "./run.ts";
import { showProgress } from "../program/progress.ts";

const OPTIONS = {
  config: { value: "FILE", does: `the configuration; "${CONFIGURATION_FILE}" when not given` },
  once: { does: "look at all tags once, and end" },
  every: { value: "DURATION", does: 'look again and again: "15m", "1h", "1d"' },
  "dry-run": { does: "ask registries and read the ledger, and sign, log and push nothing" },
  json: { does: "write events as JSON, one object a line" },
  quiet: { does: "show no progress" },
  help: { short: "h", does: "show this" },
} as const satisfies Readonly<Record<string, OptionRow>>;

const HELP = `Usage: observe [--config FILE] (--once | --every DURATION) [options]

Watches tags of registries, signs and logs what they name, and keeps the signed lines in a ledger.
Events go to standard output, progress and errors to standard error.

${optionsHelp(OPTIONS)}
Exit status: 0 when all is well, 1 when something could not be asked or recorded, 2 when the command
line or the configuration cannot be used.
`;

const SHORTEST = "1m";
const LONGEST = "30d";

/** What a command line of `observe` says. */
export interface ObserveCommand {
  readonly config: string;
  /** Milliseconds from the start of one run to the next; undefined for one run. */
  readonly everyMs?: number;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
}

/** Reads the arguments of `observe`; `"help"` when that is asked for. Throws UsageError. */
export function readObserveCommand(args: readonly string[]): ObserveCommand | "help" {
  const { values, switches, positionals } = readArguments(args, OPTIONS);
  if (switches.has("help")) return "help";
  const [extra] = positionals;
  if (extra !== undefined)
    throw new UsageError(`"${excerpt(extra)}" is not an option; name the configuration with --config`);
  const { config = CONFIGURATION_FILE, every } = values;
  if (switches.has("once") === (every !== undefined))
    throw new UsageError('give either "--once", or "--every" with a duration such as "1h"');
  return {
    config,
    ...(every !== undefined && {
      everyMs: readDuration(every, { name: "--every", from: SHORTEST, to: LONGEST }),
    }),
    dryRun: switches.has("dry-run"),
    json: switches.has("json"),
    quiet: switches.has("quiet"),
  };
}

/** The command `observe`; `runOnce` is the engine. Resolves with the exit status. Throws UsageError. */
export async function observe(
  args: readonly string[],
  { io, runOnce }: { readonly io: CommandIo; readonly runOnce: RunOnce },
): Promise<number> {
  const command = readObserveCommand(args);
  if (command === "help") {
    io.stdout.write(HELP);
    return EXIT.well;
  }
  const configuration = await readConfigurationFile(command.config, io);
  const noProxy = useProxies(io.environment);
  if (noProxy !== undefined) throw new UsageError(noProxy);
  const { everyMs } = command;
  let status: number = EXIT.well;
  for (;;) {
    const begun = io.clock();
    const ended = await runAndTell(configuration, { command, io, runOnce });
    // A signal is how a service ends, and says nothing of the runs before it; of one run, it is the failure.
    if (!io.signal.aborted || everyMs === undefined) status = ended;
    if (everyMs === undefined || io.signal.aborted) return status;
    await io.pause(Math.max(everyMs - (io.clock() - begun), 0), io.signal);
    if (io.signal.aborted) return status;
  }
}

interface Running {
  readonly command: ObserveCommand;
  readonly io: CommandIo;
  readonly runOnce: RunOnce;
}

/** One run, with all that is said of it. Resolves with its exit status. */
async function runAndTell(
  configuration: ObserverConfiguration,
  { command: { dryRun, json, quiet }, io, runOnce }: Running,
): Promise<number> {
  const progress = showProgress(io.stderr, { now: io.clock, quiet });
  const webhook = configuration.webhook && (await import("./webhook.ts")).openWebhook(configuration.webhook);
  const complain = (why: string) =>
    progress.aside(() => io.stderr.write(`tlog-dockerfile observe: ${why}\n`));
  const tell = (event: ObserverEvent) => {
    progress.aside(() => io.stdout.write(`${(json ? eventJson : eventText)(event)}\n`));
    webhook?.send(event);
  };
  let status: number = EXIT.incomplete;
  try {
    const summary = await runOnce(configuration, {
      signal: io.signal,
      now: io.now,
      onEvent: tell,
      onProgress: (each) => progress.update(each),
      dryRun,
    });
    tell({ event: "summary", time: io.now().toISOString(), ...summary });
    if (io.signal.aborted) complain("interrupted; the tags that are left were not looked at");
    else status = statusOf(summary);
  } catch (error) {
    complain(io.signal.aborted ? "interrupted" : reasonOf(error));
  }
  progress.end();
  const unsent = await webhook?.flush();
  if (unsent !== undefined) complain(unsent);
  return status;
}

function statusOf({ notAsked, notRecorded }: RunSummary): number {
  return notAsked + notRecorded > 0 ? EXIT.incomplete : EXIT.well;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : "the run failed, and did not say why";
}

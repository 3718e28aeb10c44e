// SPDX-License-Identifier: Apache-2.0
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { VERSION } from "../attestation/predicate.ts";
import { useProxies } from "../courier/server/proxies.ts";
import { excerpt } from "../log/excerpt.ts";
import {
  type CommandIo,
  optionsHelp,
  type OptionRow,
  readArguments,
  UsageError,
} from "../program/command-line.ts";
import { readProgramFile } from "../observer/configuration-file.ts";
import { showProgress } from "../program/progress.ts";
import { CONFIGURATION_FILE, readConfiguration } from "./configuration.ts";
import { type AuditResult, auditSarif, auditText } from "./finding.ts";
import type { AuditState } from "./state.ts";

const OPTIONS = {
  config: { value: "FILE", does: `the configuration; "${CONFIGURATION_FILE}" when not given` },
  "from-scratch": { does: "begin with an empty state, and forget the one that is there" },
  json: { does: "write the result as JSON" },
  sarif: { value: "FILE", does: "write the findings as SARIF 2.1.0 to this file, too" },
  quiet: { does: "show no progress" },
  help: { short: "h", does: "show this" },
} as const satisfies Readonly<Record<string, OptionRow>>;

const HELP = `Usage: audit [--config FILE] [options]

Reads transparency logs from where the last audit stopped, proves that they only grew, finds every entry of the
given signers, and compares them with ledgers and announced approvals. Findings go to standard output, progress
and errors to standard error.

${optionsHelp(OPTIONS)}
Exit status: 0 when nothing was found but notes, 1 when there are other findings, 2 when the command line, the configuration or
the state cannot be used, 3 when something could not be read and nothing was found in the rest.
`;

/** How an audit ended. */
const STATUS = { clean: 0, findings: 1, unusable: 2, notRead: 3 } as const;

/** The command `audit`. Resolves with the exit status. Throws UsageError. */
export async function audit(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, switches, positionals } = readArguments(args, OPTIONS);
  if (switches.has("help")) {
    io.stdout.write(HELP);
    return STATUS.clean;
  }
  const [extra] = positionals;
  if (extra !== undefined)
    throw new UsageError(`"${excerpt(extra)}" is not an option; name the configuration with --config`);
  const { config = CONFIGURATION_FILE, sarif } = values;
  const configuration = await readProgramFile(config, io.directory, readConfiguration);
  const noProxy = useProxies(io.environment);
  if (noProxy !== undefined) throw new UsageError(noProxy);
  // Loaded when the configuration can be used: SQLite takes a while.
  const { AuditState: State, StateError } = await import("./state.ts");
  const { runAudit } = await import("./audit.ts");
  const { path, name } = configuration.state;
  const progress = showProgress(io.stderr, { now: io.clock, quiet: switches.has("quiet"), what: "entries" });
  const complain = (why: string) =>
    progress.aside(() => io.stderr.write(`tlog-dockerfile audit: ${excerpt(why, 2_000)}\n`));
  let state: AuditState | undefined;
  try {
    const openState = () => (state = State.open(path, { name, fromScratch: switches.has("from-scratch") }));
    const onProgress = progress.update.bind(progress);
    const result = await runAudit(configuration, { openState, io: { ...io, onProgress } });
    progress.end();
    // First, so that a file that cannot be written keeps nothing back.
    io.stdout.write(switches.has("json") ? `${JSON.stringify(result)}\n` : auditText(result));
    const status = statusOf(result);
    if (sarif === undefined) return status;
    try {
      await writeFile(resolve(io.directory, sarif), auditSarif(result, { version: VERSION, config }));
      return status;
    } catch (error) {
      complain(`write "${sarif}": ${reasonOf(error)}`);
      return status === STATUS.clean ? STATUS.notRead : status;
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (io.signal.aborted) complain("interrupted; the next audit goes on from here");
    else complain(reasonOf(error));
    return error instanceof StateError && error.code === "unusable" ? STATUS.unusable : STATUS.notRead;
  } finally {
    progress.end();
    state?.close();
  }
}

function statusOf({ findings, notRead }: AuditResult): number {
  if (findings.some(({ level }) => level !== "note")) return STATUS.findings;
  return notRead.length > 0 ? STATUS.notRead : STATUS.clean;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

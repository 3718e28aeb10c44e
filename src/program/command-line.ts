// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from "node:util";
import { excerpt } from "../log/excerpt.ts";
import { suggestion } from "../policy/policy-error.ts";
import type { ProgressStream } from "./progress.ts";

/** How a command ended. 130, as shells have it for SIGINT, is that of a second signal. */
export const EXIT = { well: 0, incomplete: 1, usage: 2, killed: 130 } as const;

/** What a command is run with. */
export interface CommandIo {
  readonly stdout: { write(text: string): unknown; readonly columns?: number | undefined };
  readonly stderr: ProgressStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The directory to which paths on the command line are relative. */
  readonly directory: string;
  /** The directory of what ships with the program: the trusted root, the signing configuration. */
  readonly shipped: string;
  readonly now: () => Date;
  /** Milliseconds that only grow. */
  readonly clock: () => number;
  /** Waits; less long when the signal comes, which rejects nothing. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Aborted when the program is to end. */
  readonly signal: AbortSignal;
}

/** A command's program; `args` are those behind its name. Resolves with the exit status. Throws UsageError. */
export type CommandProgram = (args: readonly string[], io: CommandIo) => Promise<number>;

/** A command line that is not understood, or a file of it that cannot be used: exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** One option of a command. */
export interface OptionRow {
  /** The name of its value in the help, as in `FILE`; an option without one is a switch. */
  readonly value?: string;
  readonly short?: string;
  /** One line for the help. */
  readonly does: string;
}

/** What a command line says. */
export interface Arguments<Name extends string> {
  readonly values: Readonly<Partial<Record<Name, string>>>;
  readonly switches: ReadonlySet<Name>;
  readonly positionals: readonly string[];
}

/** Reads a command's arguments by the table of its options. Throws UsageError. */
export function readArguments<const Name extends string>(
  args: readonly string[],
  table: Readonly<Record<Name, OptionRow>>,
): Arguments<Name> {
  const rows = new Map(Object.entries<OptionRow>(table));
  const options = Object.fromEntries(
    [...rows].map(([name, { value, short }]) => [
      name,
      { type: value === undefined ? "boolean" : "string", ...(short !== undefined && { short }) } as const,
    ]),
  );
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values: Partial<Record<string, string>> = {};
  const switches = new Set<string>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const { name, rawName, value, inlineValue } = token;
    const row = rows.get(name);
    if (row === undefined) {
      const hint = suggestion(
        rawName,
        [...rows.keys()].map((each) => `--${each}`),
      );
      throw new UsageError(`the option "${excerpt(rawName)}" is not known${hint}`);
    }
    if (switches.has(name) || values[name] !== undefined) throw new UsageError(`"--${name}" is there twice`);
    if (row.value === undefined) {
      if (value !== undefined) throw new UsageError(`"--${name}" takes no value`);
      switches.add(name);
    } else {
      if (value === undefined || value === "" || (inlineValue !== true && value.startsWith("-")))
        throw new UsageError(`"--${name}" needs a value: --${name} ${row.value}`);
      values[name] = value;
    }
  }
  return { values: values as Arguments<Name>["values"], switches: switches as Set<Name>, positionals };
}

/** The lines of a help's table: names in one column, what they do in the other. */
export function helpTable(rows: readonly (readonly [name: string, does: string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, does]) => `  ${name.padEnd(width)}  ${does}\n`).join("");
}

/** The options of a command in its help. */
export function optionsHelp(table: Readonly<Record<string, OptionRow>>): string {
  return helpTable(
    Object.entries(table).map(([name, { value, short, does }]) => [
      `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`,
      does,
    ]),
  );
}

const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Reads `30s`, `15m`, `1h`, `1d` as milliseconds, within bounds. Throws UsageError. */
export function readDuration(
  text: string,
  { name, from, to }: { readonly name: string; readonly from: string; readonly to: string },
): number {
  const ms = durationMs(text);
  const [least, most] = [durationMs(from), durationMs(to)];
  if (ms === undefined || least === undefined || most === undefined || ms < least || ms > most)
    throw new UsageError(
      `"${name}": "${excerpt(text)}" is not a duration from "${from}" to "${to}", as in "15m", "1h" or "1d"`,
    );
  return ms;
}

function durationMs(text: string): number | undefined {
  const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * UNITS_MS[unit as keyof typeof UNITS_MS];
}

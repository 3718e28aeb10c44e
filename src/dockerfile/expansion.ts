// SPDX-License-Identifier: Apache-2.0
import { splitQuotedWords } from "./instruction.ts";
import type { PlacedInstruction } from "./instructions.ts";
import { formatPlatform, formatWholePlatform, type Platform } from "./platform.ts";
import { expandShellWord } from "./shell-word.ts";
import { ShellWordError } from "./shell-word-error.ts";

/** The values of variables; a name with `undefined` is one that is set to what we cannot say. */
export type Values = ReadonlyMap<string, string | undefined>;

/** What a word expands to, or why nobody can say it surely. */
export type Expansion = { readonly value: string } | { readonly unknown: string };

/** Expands one word as BuildKit does for FROM. What cannot be expanded surely is `unknown`, never a guess. */
export function expandWord(
  expression: string,
  { values, escape = "\\" }: { values: Values; escape?: string },
): Expansion {
  const lookup = (name: string) => {
    const value = values.get(name);
    if (value === undefined && values.has(name)) {
      throw new ShellWordError("not-followed", `the value of "${name}" cannot be told`);
    }
    return value;
  };
  try {
    return { value: expandShellWord(expression, { escape, lookup }) };
  } catch (error) {
    if (error instanceof ShellWordError) return { unknown: error.message };
    throw error;
  }
}

/** What decides the values of a Dockerfile's variables, besides its own ARG lines. */
export interface GlobalScope {
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly targetPlatform: Platform;
  readonly buildPlatform: Platform;
  /** The name of the stage that is built, `default` for one without a name. */
  readonly targetStage: string;
  /** Automatic variables that this builder may not have: what they are is not known. */
  readonly unsure?: readonly string[];
}

function automaticValues({ targetPlatform, buildPlatform, targetStage }: GlobalScope): [string, string][] {
  return [
    ["BUILDPLATFORM", formatPlatform(buildPlatform)],
    ["BUILDOS", buildPlatform.os],
    ["BUILDOSVERSION", buildPlatform.osVersion],
    ["BUILDARCH", buildPlatform.architecture],
    ["BUILDVARIANT", buildPlatform.variant],
    ["TARGETPLATFORM", formatWholePlatform(targetPlatform)],
    ["TARGETOS", targetPlatform.os],
    ["TARGETOSVERSION", targetPlatform.osVersion],
    ["TARGETARCH", targetPlatform.architecture],
    ["TARGETVARIANT", targetPlatform.variant],
    ["TARGETSTAGE", targetStage],
  ];
}

/** Builders write this one anew, also to the time of the context's last commit. */
const REWRITTEN = "SOURCE_DATE_EPOCH";

/**
 * The variables that FROM lines see: those of the platforms, then the ARG lines before the first FROM, whose
 * defaults may refer to the ones before; a build argument overrides each.
 */
export function globalValues(
  argLines: readonly PlacedInstruction[],
  { escape, ...scope }: GlobalScope & { readonly escape: string },
): Values {
  const given = new Map(Object.entries(scope.buildArgs));
  const values = new Map<string, string | undefined>();
  for (const [name, value] of automaticValues(scope)) {
    values.set(name, given.get(name) ?? (scope.unsure?.includes(name) ? undefined : value));
  }
  for (const { rest } of argLines) {
    for (const word of splitQuotedWords(rest, escape)) {
      const equals = word.indexOf("=");
      const name = equals < 0 ? word : word.slice(0, equals);
      const override = given.get(name);
      if (override !== undefined) {
        values.set(name, override);
      } else if (equals >= 0) {
        const expansion = expandWord(word.slice(equals + 1), { values, escape });
        values.set(name, "value" in expansion ? expansion.value : undefined);
      }
    }
  }
  if (values.has(REWRITTEN) && !/^(?:0|[1-9]\d{0,17})$/.test(values.get(REWRITTEN) ?? ""))
    values.set(REWRITTEN, undefined);
  return values;
}

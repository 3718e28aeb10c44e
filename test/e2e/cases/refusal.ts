// SPDX-License-Identifier: Apache-2.0
import { expect } from "vitest";
import type { LoggedEntry } from "../../sigstore/rekor-v1-log.ts";
import type { Outcome } from "../lab/command.ts";

/** What a refusal of a moved tag must tell. */
export interface ExpectedRefusal {
  readonly reference: string;
  readonly got: string;
  readonly want: string;
  readonly record: LoggedEntry;
  readonly signer: string;
  /** The lines of the Dockerfile that the snippet points at; undefined for what no line of it names. */
  readonly marked?: readonly string[];
  /** The image whose ONBUILD names it, with its digest, where no line of the Dockerfile does. */
  readonly namedBy?: string;
  /** What the client says before our message, as `buildx build` does if not given. */
  readonly prefix?: string;
}

const PREFIX = "ERROR: failed to build: failed to solve: ";

/** Asserts that a build was refused because this tag moved, with everything a person needs to act. */
export function expectRefusal(built: Outcome, expected: ExpectedRefusal): void {
  const { reference, got, want, record, signer, marked, namedBy, prefix = PREFIX } = expected;
  const time = new Date(record.integratedTime * 1000).toISOString().replace(".000Z", "Z");
  expect(built.output).toContain(
    [
      `${prefix}tag "${reference}" mismatch; got "${got}", want "${want}"`,
      ...(namedBy === undefined ? [] : [`  named by an ONBUILD of "${namedBy}"`]),
      `  recorded ${time} by ${signer}`,
      `  log index ${record.logIndex} of `,
    ].join("\n"),
  );
  if (marked !== undefined) expect(markedLines(built.output), built.output).toEqual(marked);
  expectNothingRan(built);
}

/** What a build must tell that was refused because nobody could say whether its tag moved. */
export interface ExpectedUnknown {
  readonly reference: string;
  readonly name: "LogUnreachable" | "LogUnproven" | "NotInLockFile" | "LockContradicted" | "RecordingFailed";
  /** The reason, in one line. */
  readonly detail: RegExp;
  /** What is said of entries that do not count. */
  readonly ignored?: string;
}

const MATTERS = {
  LogUnreachable: "could not be checked",
  LogUnproven: "has a record that is not proven",
  NotInLockFile: "has no record in a lock file",
  LockContradicted: "has an earlier record in the log than in the lock file",
  RecordingFailed: "could not be recorded",
} as const satisfies Readonly<Record<ExpectedUnknown["name"], string>>;

/** Asserts that a build was refused because nobody could say whether this tag moved, for this one reason. */
export function expectUnknown(built: Outcome, expected: ExpectedUnknown): void {
  const { reference, name, detail, ignored } = expected;
  const [, message = ""] = built.output.split(`\n${PREFIX}`);
  const [first, ...lines] = message.split("\n");
  expect(first, built.output).toBe(
    `tag "${reference}" ${MATTERS[name]}, so the build stops before it is used`,
  );
  const rule = lines.indexOf('  the policy says "unknown: block"');
  const reason = lines.slice(0, rule).map((line) => line.trim());
  expect(reason.join(" "), built.output).toMatch(detail);
  const take = lines.findIndex((line) => /^ {4}FROM \S+@sha256:[0-9a-f]{64}$/.test(line));
  expect(lines[take - 1], built.output).toMatch(/^ {2}(build again when .*, )?or name the image by digest:$/);
  expect(lines.slice(take + 1)).toEqual([
    ...(ignored === undefined ? [] : [`  ${ignored}`]),
    expect.stringMatching(new RegExp(`^ {2}${name}: https:\\S+#${name.toLowerCase()}$`)),
    "",
  ]);
  expect(markedLines(built.output)).toEqual([`FROM ${reference}`]);
  expectNothingRan(built);
}

/** Asserts that a build failed before any of its steps, and with a message instead of a stack trace. */
export function expectNothingRan({ code, output }: Outcome): void {
  // Steps are numbered, some behind the name of their stage: `#7 [2/2] RUN …`, `#7 [below 2/2] RUN …`.
  expect(output).not.toMatch(/^#\d+ \[([^\]]+ )?\d+\/\d+\]/m);
  expect(output).not.toMatch(/^\s+at .*:\d+:\d+/m);
  expect(code, output).not.toBe(0);
}

/** The lines with `>>>` in the snippets of an error. */
export function markedLines(output: string): readonly string[] {
  return [...output.matchAll(/^ *\d+ \| >>> (.*)$/gm)].map(([, line = ""]) => line);
}

/** Asserts that a build went through. */
export function expectBuilt(built: Outcome): void {
  expect(built.code, built.output).toBe(0);
}

/**
 * The progress lines of ours in the order of their steps, without what stands before them: `#4 [tlog] `, and a bake target's
 * name. The client shows a step's line again when another step said something in between.
 */
export function verdictLines(output: string): readonly string[] {
  const lines = output.matchAll(/^(#\d+) \[(?:\S+ )?tlog\] (?!resolve )(.*)$/gm);
  return [...new Map([...lines].map(([, step = "", line = ""]) => [step, line])).values()];
}

// SPDX-License-Identifier: Apache-2.0
import { ImageReferenceError, parseReference, type Reference } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import { quotedList, suggestion } from "./near-miss.ts";
import { type PolicyProblem, throwProblems } from "./policy-error.ts";

/** What a build is asked to do beyond building; no part of the policy. */
export interface Commands {
  /** The tag whose new digest is approved: `name:tag`, without a digest. */
  readonly approve?: Reference;
  /** Why it is approved, for whoever reads the log: one line. */
  readonly reason?: string;
  /** What happens with the lock file besides reading it. */
  readonly lock?: "update" | "check";
  /** The image whose evidence is verified. */
  readonly image?: Reference;
}

/** The build arguments that are commands. */
export const COMMANDS = ["TLOG_APPROVE", "TLOG_REASON", "TLOG_LOCK", "TLOG_IMAGE"] as const;
type CommandName = (typeof COMMANDS)[number];

const LOCK = ["update", "check"] as const;
const MAX_REASON = 500;

type Outcome = Commands | { readonly problem: string };

const READERS: Readonly<Record<CommandName, (value: string) => Outcome>> = {
  TLOG_APPROVE(value) {
    const outcome = readReference(value);
    if ("problem" in outcome) return outcome;
    if (outcome.digest !== undefined)
      return {
        problem: `"${excerpt(value, 200)}" has a digest; name the tag alone, the digest is looked up`,
      };
    return { approve: outcome };
  },
  TLOG_REASON(value) {
    if ([...value].length > MAX_REASON) return { problem: `it is longer than ${MAX_REASON} characters` };
    if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(value))
      return { problem: "it has a line end or another control character; it is one line" };
    return { reason: value.trim() };
  },
  TLOG_LOCK(value) {
    const lock = LOCK.find((each) => each === value);
    if (lock !== undefined) return { lock };
    return { problem: `"${excerpt(value)}" is not ${quotedList(LOCK)}${suggestion(value, LOCK)}` };
  },
  TLOG_IMAGE(value) {
    const outcome = readReference(value);
    return "problem" in outcome ? outcome : { image: outcome };
  },
};

function readReference(value: string): Reference | { readonly problem: string } {
  try {
    return parseReference(value);
  } catch (error) {
    if (error instanceof ImageReferenceError) return { problem: error.message };
    throw error;
  }
}

/**
 * Reads the commands among the build arguments. Throws PolicyError (`wrong-value`), also for a reason without an
 * approval: it would be lost.
 */
export function readCommands(buildArgs: Readonly<Record<string, string>>): Commands {
  const problems: PolicyProblem[] = [];
  const wrong = (name: CommandName, text: string) =>
    problems.push({ code: "wrong-value", place: `--build-arg ${name}`, text });
  let commands: Commands = {};
  for (const name of COMMANDS) {
    const value = buildArgs[name];
    if (value === undefined) continue;
    const outcome: Outcome =
      value.trim() === ""
        ? { problem: "it is empty; give it a value or leave it out" }
        : READERS[name](value);
    if ("problem" in outcome) wrong(name, outcome.problem);
    else commands = { ...commands, ...outcome };
  }
  if (buildArgs["TLOG_REASON"] !== undefined && buildArgs["TLOG_APPROVE"] === undefined)
    wrong("TLOG_REASON", "it is the reason of an approval, and there is no TLOG_APPROVE");
  throwProblems(problems);
  return commands;
}

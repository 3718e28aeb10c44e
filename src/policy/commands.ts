// SPDX-License-Identifier: Apache-2.0
// Loaded at the start of each build, so it imports nothing large.
import { parseReference, type Reference } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import { MAX_REASON_LENGTH, NO_REASON, REASON, TOO_LONG_REASON } from "../record/reason.ts";
import { choose, type PolicyProblem, throwProblems, whyRefused, WrongValue } from "./policy-error.ts";
import type { Setting } from "./rule.ts";

/** What a build is asked to do beyond building; no part of the policy. */
export interface Commands {
  /** The tag that is approved, and the digest that was reviewed: `name:tag@digest`. */
  readonly approve?: Reference;
  /** Why it is approved, for whoever reads the log: one line. */
  readonly reason?: string;
  /** What happens with the lock file besides reading it. */
  readonly lock?: "update" | "check";
  /** The image whose evidence is verified, or the tag whose history is shown. */
  readonly image?: Reference;
  /** Of a history: the day or time that is asked about, and the two digests that are compared, as they were written. */
  readonly at?: string;
  readonly diff?: string;
}

/** Build arguments by name. */
export type Args = Readonly<Record<string, string>>;

/** The build argument by which a build shows what takes it how long, when it is `1`. */
export const TRACE = "TLOG_TRACE";

/** The build arguments that are commands. */
export const COMMANDS = [
  "TLOG_APPROVE",
  "TLOG_REASON",
  "TLOG_LOCK",
  "TLOG_IMAGE",
  "TLOG_AT",
  "TLOG_DIFF",
  TRACE,
] as const;

/** Reads an argument: undefined for one that is not given, or is refused, which is a problem. */
export type ReadArg = <T>(name: string, reader: (value: string) => T) => Setting<T> | undefined;

/** Reads arguments; what is wrong with them is added to `problems`. */
export function argReader(args: Args, problems: PolicyProblem[]): ReadArg {
  return (name, reader) => {
    const value = args[name];
    if (value === undefined) return undefined;
    try {
      if (value.trim() === "") throw new WrongValue("it is empty; give it a value or leave it out");
      return { value: reader(value), source: name };
    } catch (error) {
      problems.push({ code: "wrong-value", place: `--build-arg ${name}`, text: whyRefused(error) });
      return undefined;
    }
  };
}

/**
 * Reads the commands among the build arguments. Throws PolicyError (`wrong-value`), also for a reason without an
 * approval: it would be lost.
 */
export function readCommands(args: Args): Commands {
  const problems: PolicyProblem[] = [];
  const read = argReader(args, problems);
  const approve = read("TLOG_APPROVE", (value) => {
    const reference = parseReference(value);
    const { tag, digest } = reference;
    if (tag !== undefined && digest !== undefined) return reference;
    const missing =
      digest === undefined
        ? "no digest; the digest that was reviewed belongs there"
        : "no tag; the tag that is approved belongs there";
    throw new WrongValue(
      `"${excerpt(value, 200)}" has ${missing}, as in name:tag@sha256:…; "docker buildx build --call tlog" prints the line`,
    );
  });
  const reason = read("TLOG_REASON", (value) => {
    const text = value.trim();
    if (text.length > MAX_REASON_LENGTH) throw new WrongValue(`it ${TOO_LONG_REASON}`);
    if (!REASON.test(text)) throw new WrongValue(`it ${NO_REASON}`);
    return text;
  });
  const lock = read("TLOG_LOCK", (value) => choose(value, ["update", "check"]));
  const image = read("TLOG_IMAGE", parseReference);
  // Read where they are answered.
  const [at, diff] = [read("TLOG_AT", String), read("TLOG_DIFF", String)];
  // Who shows it looks for it before anything is read.
  read(TRACE, (value) => choose(value, ["0", "1"]));
  if (args["TLOG_REASON"] !== undefined && args["TLOG_APPROVE"] === undefined) {
    const text = "it is the reason of an approval, and there is no TLOG_APPROVE";
    problems.push({ code: "wrong-value", place: "--build-arg TLOG_REASON", text });
  }
  throwProblems(problems);
  return {
    ...(approve && { approve: approve.value }),
    ...(reason && { reason: reason.value }),
    ...(lock && { lock: lock.value }),
    ...(image && { image: image.value }),
    ...(at && { at: at.value }),
    ...(diff && { diff: diff.value }),
  };
}

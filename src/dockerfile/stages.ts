// SPDX-License-Identifier: Apache-2.0
import { DockerfileError } from "./dockerfile-error.ts";
import { flagValues, type LineRange } from "./instruction.ts";
import { type PlacedInstruction, readInstructions } from "./instructions.ts";

/** One FROM and what belongs to it. */
export interface Stage {
  /** The name after AS, in lower case. */
  readonly name?: string;
  /** What stands after FROM, unexpanded, as in `alpine:${V}`. */
  readonly baseExpression: string;
  /** The value of `--platform`, unexpanded. */
  readonly platformExpression?: string;
  /** The lines of the FROM instruction. */
  readonly lines: LineRange;
  /** The instructions after the FROM. */
  readonly instructions: readonly PlacedInstruction[];
}

/** A Dockerfile as its stages, and what stands before them. */
export interface StagedDockerfile {
  readonly escape: string;
  /** The ARG lines before the first FROM. */
  readonly argLines: readonly PlacedInstruction[];
  readonly stages: readonly Stage[];
}

const STAGE_NAME = /^[a-z][a-z0-9_.-]*$/;

/** Go's `EqualFold`, to which the long s is an s. */
function isAs(word: string): boolean {
  const lower = word.toLowerCase();
  return lower === "as" || lower === "a\u017f";
}

function readFrom(from: PlacedInstruction): Stage & { readonly instructions: PlacedInstruction[] } {
  const { lines } = from;
  const fail = (why: string): never => {
    throw new DockerfileError("SYNTAX", lines.start, why);
  };
  const [baseExpression = "", as, name, ...more] = from.rest.split(/[\t\v\f\r ]+/);
  if (baseExpression === "" || more.length > 0 || (as !== undefined && (name === undefined || !isAs(as)))) {
    fail("FROM is not followed by an image and perhaps AS and a name");
  }
  const lower = name?.toLowerCase();
  if (lower !== undefined && !STAGE_NAME.test(lower))
    fail(`"${lower.slice(0, 160)}" is not a name for a stage`);
  const platforms = flagValues(from, "platform");
  if (platforms.length !== from.flags.length || platforms.length > 1) fail("FROM takes one flag, --platform");
  const [platformExpression = ""] = platforms;
  return {
    ...(lower === undefined ? {} : { name: lower }),
    baseExpression,
    ...(platformExpression === "" ? {} : { platformExpression }),
    lines,
    instructions: [],
  };
}

/** Reads a Dockerfile's stages exactly as BuildKit does, nothing expanded. Throws DockerfileError. */
export function readStagedDockerfile(text: string): StagedDockerfile {
  const { escape, instructions } = readInstructions(text);
  const argLines: PlacedInstruction[] = [];
  const stages: (Stage & { readonly instructions: PlacedInstruction[] })[] = [];
  for (const instruction of instructions) {
    const stage = stages.at(-1);
    if (instruction.keyword === "from") stages.push(readFrom(instruction));
    else if (stage !== undefined) stage.instructions.push(instruction);
    else if (instruction.keyword === "arg") argLines.push(instruction);
  }
  return { escape, argLines, stages };
}

/** The stages alone; see `readStagedDockerfile`. */
export function readStages(text: string): readonly Stage[] {
  return readStagedDockerfile(text).stages;
}

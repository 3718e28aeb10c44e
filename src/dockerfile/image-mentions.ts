// SPDX-License-Identifier: Apache-2.0
import { formatReference, ImageReferenceError, parseReference, type Reference } from "../image/reference.ts";
import { baseImagesOf, type BuildInputs, hasContext } from "./base-images.ts";
import { flagValues, type Instruction, type LineRange, readInstruction } from "./instruction.ts";
import { formatWholePlatform, parsePlatform } from "./platform.ts";
import { readStagedDockerfile } from "./stages.ts";

/** An image that a Dockerfile names, and the instructions that do. */
export interface ImageMention {
  readonly reference: Reference;
  readonly lines: readonly LineRange[];
}

/** The fields of one `--mount` value: comma-separated, some in double quotes with `""` for one. */
function mountFields(value: string): string[] {
  return Array.from(value.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g), ([, quoted, plain]) =>
    quoted === undefined ? (plain ?? "") : quoted.replaceAll('""', '"'),
  );
}

function mountSource(value: string): string | undefined {
  return mountFields(value)
    .findLast((field) => /^from=/i.test(field))
    ?.slice("from=".length);
}

/** What an instruction copies or mounts from, as written; BuildKit expands no variables there. */
function sourcesOf(instruction: Instruction, escape: string): string[] {
  switch (instruction.keyword) {
    case "onbuild":
      return /^onbuild\b/i.test(instruction.rest)
        ? []
        : sourcesOf(readInstruction(instruction.rest, escape), escape);
    case "copy":
      // A number is a stage.
      return flagValues(instruction, "from").filter((source) => !/^[+-]?\d+$/.test(source));
    case "run":
      return flagValues(instruction, "mount").flatMap((value) => mountSource(value) ?? []);
    default:
      return [];
  }
}

function readSource(source: string): Reference | undefined {
  try {
    return parseReference(source);
  } catch (error) {
    if (error instanceof ImageReferenceError) return undefined;
    throw error;
  }
}

/**
 * A guess at all images that a build consumes: bases of stages, `COPY --from`, `RUN --mount=…,from=`, also in
 * ONBUILD. It serves the line numbers of messages and an early start, and a wrong one must never matter: the LLB
 * has the last word. Throws as `baseImages` does.
 */
export function imageMentions(text: string, inputs: BuildInputs): readonly ImageMention[] {
  const dockerfile = readStagedDockerfile(text);
  const mentions = new Map<string, { reference: Reference; lines: Set<LineRange> }>();
  const add = (reference: Reference, lines: Iterable<LineRange>) => {
    const key = formatReference(reference);
    const mention = mentions.get(key) ?? { reference, lines: new Set() };
    mentions.set(key, mention);
    for (const each of lines) mention.lines.add(each);
  };
  for (const { reference, lines } of baseImagesOf(dockerfile, inputs).images) add(reference, lines);

  const stageNames = new Set(dockerfile.stages.flatMap(({ name }) => name ?? []));
  const contexts = new Set(inputs.contextNames);
  const platform = formatWholePlatform(parsePlatform(inputs.targetPlatforms[0] ?? inputs.buildPlatform));
  for (const { instructions } of dockerfile.stages) {
    for (const instruction of instructions) {
      for (const source of sourcesOf(instruction, dockerfile.escape)) {
        if (source === "scratch" || stageNames.has(source.toLowerCase())) continue;
        const reference = readSource(source);
        if (reference === undefined || hasContext(reference, { contexts, platform })) continue;
        add(reference, [instruction.lines]);
      }
    }
  }
  return Array.from(mentions.values(), ({ reference, lines }) => ({ reference, lines: [...lines] }));
}

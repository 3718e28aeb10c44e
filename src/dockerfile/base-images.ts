// SPDX-License-Identifier: Apache-2.0
import {
  familiarName,
  formatReference,
  ImageReferenceError,
  parseReference,
  type Reference,
} from "../image/reference.ts";
import { expandWord, globalValues, type Values } from "./expansion.ts";
import type { LineRange } from "./instruction.ts";
import { formatWholePlatform, parsePlatform, type Platform, PlatformError } from "./platform.ts";
import { readStagedDockerfile, type Stage, type StagedDockerfile } from "./stages.ts";

/** What the builder knows besides the Dockerfile. */
export interface BuildInputs {
  /** `--build-arg` by name. */
  readonly buildArgs: Readonly<Record<string, string>>;
  /** As in `linux/arm64`; empty for a build for the builder's own platform. */
  readonly targetPlatforms: readonly string[];
  /** The builder's own platform. */
  readonly buildPlatform: string;
  /** Automatic variables that this builder may not have. */
  readonly unsure?: readonly string[];
  /** The names of named contexts: the option keys after `context:`, some with `::platform` at their end. */
  readonly contextNames: readonly string[];
  /** The stage that is built, the last one by default. */
  readonly target?: string;
}

/** An image that stages begin with. */
export interface BaseImage {
  readonly reference: Reference;
  /** The platform it is wanted for, as in `linux/arm64/v8` normalized. */
  readonly platform: string;
  /** Whether its FROM says the platform itself. */
  readonly platformGiven: boolean;
  /** The FROM lines that name it. */
  readonly lines: readonly LineRange[];
}

/** A FROM whose image cannot be told. */
export interface UnknownBase {
  readonly line: number;
  readonly expression: string;
  readonly reason: string;
}

/** What the FROM lines of a Dockerfile name. */
export interface BaseImages {
  readonly images: readonly BaseImage[];
  readonly unknown: readonly UnknownBase[];
}

/** What one stage begins with, for one target platform. */
type Base =
  | { readonly kind: "none" }
  | {
      readonly kind: "image";
      readonly reference: Reference;
      readonly platform: string;
      readonly platformGiven: boolean;
    }
  | { readonly kind: "unknown"; readonly reason: string };

interface StageScope {
  readonly escape: string;
  readonly values: Values;
  readonly earlierNames: ReadonlySet<string>;
  readonly contexts: ReadonlySet<string>;
  readonly targetPlatform: Platform;
  readonly buildPlatform: Platform;
}

/** Whether a named context stands for this image or stage name on this platform. */
export function hasContext(
  reference: Reference,
  { contexts, platform }: { contexts: ReadonlySet<string>; platform: string },
): boolean {
  const name = familiarName(reference);
  return contexts.has(name) || contexts.has(`${name}::${platform}`);
}

function stagePlatform(stage: Stage, scope: StageScope): { platform: string } | { unknown: string } {
  const { platformExpression } = stage;
  if (platformExpression === undefined) return { platform: formatWholePlatform(scope.targetPlatform) };
  const expansion = expandWord(platformExpression, scope);
  if ("unknown" in expansion) return expansion;
  try {
    return { platform: formatWholePlatform(parsePlatform(expansion.value, scope.buildPlatform)) };
  } catch (error) {
    if (error instanceof PlatformError) return { unknown: error.message };
    throw error;
  }
}

/** The names `context` and `scratch` are the builder's own. */
function isContextName(name: string | undefined): name is string {
  return name !== undefined && name !== "context" && name !== "scratch";
}

function baseOf(stage: Stage, scope: StageScope): Base {
  const expansion = expandWord(stage.baseExpression, scope);
  if ("unknown" in expansion) return { kind: "unknown", reason: expansion.unknown };
  const placed = stagePlatform(stage, scope);
  if ("unknown" in placed) return { kind: "unknown", reason: placed.unknown };
  const { platform } = placed;
  if (expansion.value === "scratch" || scope.earlierNames.has(expansion.value.toLowerCase()))
    return { kind: "none" };
  const { contexts } = scope;
  try {
    // A named context with the stage's own name takes the place of the whole stage.
    if (isContextName(stage.name) && hasContext(parseReference(stage.name), { contexts, platform }))
      return { kind: "none" };
    const reference = parseReference(expansion.value);
    if (hasContext(reference, { contexts, platform })) return { kind: "none" };
    return { kind: "image", reference, platform, platformGiven: stage.platformExpression !== undefined };
  } catch (error) {
    if (error instanceof ImageReferenceError) return { kind: "unknown", reason: error.message };
    throw error;
  }
}

/** Walks all stages for all target platforms. */
function* allBases(
  dockerfile: StagedDockerfile,
  inputs: BuildInputs,
): Generator<{ stage: Stage; base: Base }> {
  const { escape, argLines, stages } = dockerfile;
  const buildPlatform = parsePlatform(inputs.buildPlatform);
  const { targetPlatforms } = inputs;
  const targets =
    targetPlatforms.length === 0
      ? [buildPlatform]
      : targetPlatforms.map((text) => parsePlatform(text, buildPlatform));
  const named = inputs.target === undefined || inputs.target === "" ? stages.at(-1)?.name : inputs.target;
  const targetStage = named ?? "default";
  const contexts = new Set(inputs.contextNames);
  for (const targetPlatform of targets) {
    const platforms = { targetPlatform, buildPlatform };
    const values = globalValues(argLines, {
      buildArgs: inputs.buildArgs,
      ...platforms,
      targetStage,
      unsure: inputs.unsure ?? [],
      escape,
    });
    const earlierNames = new Set<string>();
    for (const stage of stages) {
      yield { stage, base: baseOf(stage, { escape, values, earlierNames, contexts, ...platforms }) };
      if (stage.name !== undefined) earlierNames.add(stage.name);
    }
  }
}

/** The base images of a Dockerfile that has been taken apart; see `baseImages`. */
export function baseImagesOf(dockerfile: StagedDockerfile, inputs: BuildInputs): BaseImages {
  const images = new Map<
    string,
    { reference: Reference; platform: string; platformGiven: boolean; lines: Set<LineRange> }
  >();
  const unknown = new Map<string, UnknownBase>();
  for (const { stage, base } of allBases(dockerfile, inputs)) {
    const { lines, baseExpression: expression } = stage;
    if (base.kind === "unknown") {
      unknown.set(`${lines.start} ${base.reason}`, { line: lines.start, expression, reason: base.reason });
    } else if (base.kind === "image") {
      const { reference, platform, platformGiven } = base;
      const key = `${formatReference(reference)} ${platform} ${platformGiven}`;
      const image = images.get(key) ?? { reference, platform, platformGiven, lines: new Set() };
      images.set(key, image);
      image.lines.add(lines);
    }
  }
  return {
    images: [...images.values()].map((image) => ({ ...image, lines: [...image.lines] })),
    unknown: [...unknown.values()],
  };
}

/**
 * The images that stages begin with, for each target platform: not `scratch`, not an earlier stage, not a named
 * context. Stages that the target does not need are among them, because triggers in a base image (ONBUILD) can
 * need any stage. Throws DockerfileError, and PlatformError for `targetPlatforms` or `buildPlatform`.
 */
export function baseImages(text: string, inputs: BuildInputs): BaseImages {
  return baseImagesOf(readStagedDockerfile(text), inputs);
}

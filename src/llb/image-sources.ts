// SPDX-License-Identifier: Apache-2.0
import type { pb } from "../../gen/gateway.js";
import { formatReference, parseReference, type Reference } from "../image/reference.ts";
import { type Definition, DefinitionError, type Operation } from "./definition.ts";

/** Lines of a source file that ask for an image. Lines are 1-based and inclusive. */
export interface SourceLocation {
  readonly filename: string;
  readonly data: Uint8Array;
  readonly language: string;
  readonly start: number;
  readonly end: number;
}

/** An image that a build would consume, as its LLB says it. */
export interface ImageSource {
  /** With the digest that BuildKit would use; without one when BuildKit would resolve the tag again later. */
  readonly reference: Reference;
  /** `linux/amd64`, …; empty when the LLB does not say it of each operation that asks for the image. */
  readonly platforms: readonly string[];
  readonly locations: readonly SourceLocation[];
}

/** Sources that name no tag: what they bring is the build's own context or is named by the Dockerfile itself. */
export const TAGLESS_SCHEMES: ReadonlySet<string> = new Set(["local", "git", "http", "https", "oci-layout"]);

/**
 * Every image that these definitions consume, each reference once, in the order of the definitions.
 *
 * Throws DefinitionError for a source whose kind is unknown or whose reference is malformed: it could be an image.
 */
export function imageSources(definitions: readonly Definition[]): ImageSource[] {
  const sources = new Map<
    string,
    { reference: Reference; platforms: Set<string>; isVague: boolean; locations: SourceLocation[] }
  >();
  for (const definition of definitions) {
    for (const operation of definition.operations) {
      const reference = imageReference(operation);
      if (!reference) continue;
      const name = formatReference(reference);
      const source = sources.get(name) ?? { reference, platforms: new Set(), isVague: false, locations: [] };
      sources.set(name, source);
      if (operation.op.platform) source.platforms.add(platformName(operation.op.platform));
      else source.isVague = true;
      for (const location of locationsOf(operation, definition)) {
        if (!source.locations.some((known) => sameLines(known, location))) source.locations.push(location);
      }
    }
  }
  return [...sources.values()].map(({ reference, platforms, isVague, locations }) => ({
    reference,
    platforms: isVague ? [] : [...platforms],
    locations,
  }));
}

/** What stands before `://` in a source's identifier; empty when there is none. */
export function schemeOf(identifier: string): string {
  return identifier.slice(0, Math.max(0, identifier.indexOf("://")));
}

function imageReference({ op }: Operation): Reference | undefined {
  if (!op.source) return undefined;
  const identifier = op.source.identifier ?? "";
  const scheme = schemeOf(identifier);
  if (TAGLESS_SCHEMES.has(scheme)) return undefined;
  if (scheme !== "docker-image") {
    throw new DefinitionError(
      `the build has a source of an unknown kind, which cannot be judged: ${quote(identifier)}`,
    );
  }
  try {
    return parseReference(identifier.slice("docker-image://".length));
  } catch (cause) {
    throw new DefinitionError(
      `the build has an image source that is no image reference: ${quote(identifier)}`,
      { cause },
    );
  }
}

function quote(identifier: string): string {
  return JSON.stringify(identifier.length > 200 ? `${identifier.slice(0, 200)}…` : identifier);
}

/** `os/architecture[/variant]`, as Docker writes platforms. */
export function platformName(platform: pb.Platform.$Properties): string {
  return [platform.OS, platform.Architecture, platform.Variant].filter(Boolean).join("/");
}

function locationsOf(operation: Operation, { operations, source }: Definition): SourceLocation[] {
  const own = mapped(operation.digest, source);
  if (own.length > 0) return own;
  // An image of RUN --mount=from has no line of its own: the line is that of the RUN.
  return operations
    .filter(({ op }) =>
      op.inputs?.some((input, index) => input.digest === operation.digest && isTakenFrom(op, index)),
    )
    .flatMap(({ digest }) => mapped(digest, source));
}

/** Whether the operation looks into this input, as RUN --mount=from and COPY --from do, and does not build upon it. */
function isTakenFrom({ exec, file }: pb.Op, input: number): boolean {
  // A step's root filesystem is its first input.
  if (exec) return input > 0;
  return file?.actions?.some((action) => Number(action.secondaryInput) === input) === true;
}

function mapped(digest: string, source: pb.Source.$Properties | undefined): SourceLocation[] {
  return (source?.locations?.[digest]?.locations ?? []).flatMap(({ sourceIndex, ranges }) => {
    const info = source?.infos?.[sourceIndex ?? 0];
    if (!info?.data || !ranges?.length) return [];
    const lines = ranges.map(({ start, end }) => ({
      start: start?.line ?? 0,
      end: end?.line ?? start?.line ?? 0,
    }));
    return [
      {
        filename: info.filename ?? "",
        data: info.data,
        language: info.language ?? "",
        start: Math.min(...lines.map(({ start }) => start)),
        end: Math.max(...lines.map(({ end }) => end)),
      },
    ];
  });
}

function sameLines(one: SourceLocation, other: SourceLocation): boolean {
  return one.start === other.start && one.end === other.end && one.filename === other.filename;
}

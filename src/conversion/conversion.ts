// SPDX-License-Identifier: Apache-2.0
import type { Bridge } from "../gateway/bridge.ts";
import { readResult, type SolvedResult } from "../gateway/result.ts";
import { type Definition, readDefinition } from "../llb/definition.ts";
import { type ImageSource, imageSources } from "../llb/image-sources.ts";

/** What the standard Dockerfile conversion is asked: the build's options, and the definitions that other builds put in. */
export interface ConversionRequest {
  readonly options: Readonly<Record<string, string>>;
  /** Encoded definitions by name. */
  readonly inputs: Readonly<Record<string, Uint8Array>>;
}

/** A converted Dockerfile: nothing of it has run, and everything it would consume is in its definitions. */
export interface Conversion {
  readonly request: ConversionRequest;
  readonly result: SolvedResult;
  readonly definitions: readonly Definition[];
  readonly images: readonly ImageSource[];
}

/**
 * Has BuildKit convert the Dockerfile to LLB with its own Dockerfile frontend. Runs nothing and pulls no layer.
 *
 * Throws ServiceError with BuildKit's own error for a Dockerfile that does not convert, and ResultError or
 * DefinitionError for what cannot be judged.
 */
export async function convert(bridge: Bridge, request: ConversionRequest): Promise<Conversion> {
  const { options, inputs } = request;
  const result = readResult(
    await bridge.solve({
      Frontend: "dockerfile.v0",
      FrontendOpt: withoutSyntaxLine(options),
      FrontendInputs: { ...inputs },
    }),
  );
  const definitions = result.refs.map(({ definition }) => readDefinition(definition));
  return { request, result, definitions, images: imageSources(definitions) };
}

/**
 * Options with which the Dockerfile frontend takes the syntax line as honoured. Without `cmdline` it would start the
 * image of that line: ourselves without end, or another image that nobody has judged.
 */
export function withoutSyntaxLine(options: Readonly<Record<string, string>>): Record<string, string> {
  return { ...options, cmdline: options["cmdline"] ?? options["source"] ?? "tlog-dockerfile" };
}

// SPDX-License-Identifier: Apache-2.0
import { startChild } from "../conversion/child.ts";
import { type Conversion, ConversionError } from "../conversion/conversion.ts";
import { conversionEnvironment } from "../conversion/environment.ts";
import { isStandard, readReference, type SyntaxLine, syntaxLineOf } from "../conversion/syntax-line.ts";
import { Gate, type GateContext, type ReadDockerfile, type Returned } from "../gate/gate.ts";
import { GateError } from "../gate/gate-error.ts";
import { JudgedImages, type Judge } from "../gate/judged-images.ts";
import { runBehind } from "../gate/run-behind.ts";
import type { Bridge } from "../gateway/bridge.ts";
import type { BuildOptions } from "../gateway/options.ts";
import { CallError, prefixedStatus } from "../gateway/status.ts";
import { formatReference, type Reference } from "../image/reference.ts";
import type { Definition } from "../llb/definition.ts";
import type { EffectivePolicy } from "../policy/policy.ts";

/** What conversions of one build are made with. */
export interface ConvertContext {
  readonly bridge: Bridge;
  readonly buildOptions: BuildOptions;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The program of the standard conversion. */
  readonly program: string;
  readonly pong: GateContext["pong"];
  readonly inputs: GateContext["inputs"];
  readonly caches: GateContext["caches"];
  readonly judge: Judge;
  /** The policy in effect, once it has been read. */
  readonly policy: () => Promise<Pick<EffectivePolicy, "conversion" | "syntax">>;
}

/** What is converted. */
export interface ConvertRequest {
  /** The build's options, changed where it is not the build itself that is converted. */
  readonly options: Readonly<Record<string, string>>;
  readonly isTextRequest: boolean;
  /** Whether only the Dockerfile is wanted, to know where the build's files are. */
  readonly stopsAtDockerfile?: boolean;
  /** What is known of the build's images already. */
  readonly images?: JudgedImages;
  /** The standard conversion, when it was started ahead. */
  readonly started?: Conversion;
  readonly onDockerfile?: (dockerfile: ReadDockerfile) => void;
}

/** A converted Dockerfile: nothing of it has run, and every image in it is judged. */
export interface Converted {
  readonly returned: Returned | { readonly failure: unknown };
  readonly images: JudgedImages;
  readonly definitions: readonly Definition[];
  readonly dockerfile: ReadDockerfile | undefined;
  /** The frontend image that converted it, when it was not the standard conversion. */
  readonly frontend: OtherFrontend | undefined;
}

/** An image that converts in the place of the standard conversion, and the Dockerfile's line that names it. */
export interface OtherFrontend {
  readonly reference: Reference;
  readonly line: SyntaxLine | undefined;
}

/**
 * Converts a Dockerfile behind the gate: by the standard conversion, or by the frontend image that the policy or the
 * Dockerfile itself names, which is judged as every image is. Throws GateError for a frontend that may not be used. How
 * the conversion itself failed is in the answer, because what was refused until then comes first.
 */
export async function convert(context: ConvertContext, request: ConvertRequest): Promise<Converted> {
  const first = await convertStandard(context, request);
  if (!("other" in first)) return first;
  return convertOther(context, request, first);
}

/** That another frontend converts, and the Dockerfile if it has been read. */
interface Switched {
  readonly other: OtherFrontend;
  readonly read: ReadDockerfile | undefined;
}

async function convertStandard(
  context: ConvertContext,
  request: ConvertRequest,
): Promise<Converted | Switched> {
  const { environment, program, policy } = context;
  const images = request.images ?? new JudgedImages(context.bridge, context.judge);
  let dockerfile: ReadDockerfile | undefined;
  let other: OtherFrontend | undefined;
  const switching = new AbortController();
  const switchTo = (frontend: OtherFrontend): void => {
    other ??= frontend;
    switching.abort();
  };
  const gate = new Gate({
    ...context,
    options: request.options,
    isTextRequest: request.isTextRequest,
    images,
    onDockerfile(read) {
      dockerfile = read;
      request.onDockerfile?.(read);
      const frontend = frontendOf(read, request.options);
      if (request.stopsAtDockerfile) switching.abort();
      else if (frontend !== undefined) switchTo(frontend);
    },
  });
  // The first image waits for the policy too, so that nothing is judged for a conversion that is not used.
  const byPolicy =
    request.isTextRequest || request.stopsAtDockerfile ? Promise.resolve() : chosenByPolicy(policy, switchTo);
  const conversion =
    request.started ?? startChild(program, conversionEnvironment(environment, request.options));
  const returned = await runBehind(gate, conversion, switching.signal).catch((failure: unknown) => ({
    failure,
  }));
  await byPolicy;
  if (other !== undefined) return { other, read: dockerfile };
  return { returned, images, definitions: gate.definitions, dockerfile, frontend: undefined };
}

/** A policy that cannot be read is told by whoever opens the check. */
async function chosenByPolicy(
  policy: ConvertContext["policy"],
  switchTo: (frontend: OtherFrontend) => void,
): Promise<void> {
  const read = await policy().catch(() => undefined);
  if (read?.conversion !== undefined) switchTo({ reference: read.conversion, line: undefined });
}

async function convertOther(
  context: ConvertContext,
  request: ConvertRequest,
  { other: frontend, read }: Switched,
): Promise<Converted> {
  const { bridge, environment, buildOptions } = context;
  const { syntax } = await context.policy();
  if (frontend.line !== undefined && syntax === "block") {
    throw new GateError(
      `line ${frontend.line.line} of the Dockerfile names the syntax image ${JSON.stringify(frontend.line.image)}, and the policy lets none convert it ("syntax: block"); remove the line, or name docker/dockerfile:1`,
    );
  }
  const images = new JudgedImages(bridge, context.judge);
  const [os = "", architecture = "", variant = ""] = buildOptions.buildPlatform.split("/");
  const { reference, config } = await images.resolve({
    reference: frontend.reference,
    platform: os && architecture ? { OS: os, Architecture: architecture, Variant: variant } : undefined,
    mode: request.options["image-resolve-mode"] ?? "",
    logName: "[internal] resolve the frontend of the Dockerfile",
    by: "ResolveImageConfig",
  });
  let dockerfile = read;
  const gate = new Gate({
    ...context,
    options: request.options,
    isTextRequest: request.isTextRequest,
    images,
    onDockerfile(again) {
      dockerfile = again;
      request.onDockerfile?.(again);
    },
  });
  const run = async (): Promise<Returned> => {
    const { startFrontendContainer } = await import("../conversion/frontend-container.ts");
    const own = conversionEnvironment(environment, request.options);
    const conversion = await startFrontendContainer(bridge, { reference, config, environment: own });
    return runBehind(gate, conversion, new AbortController().signal);
  };
  const returned = images.areRefused
    ? { failure: new GateError("the frontend of the Dockerfile is refused") }
    : blaming(frontend, await run().catch((failure: unknown) => ({ failure })));
  return { returned, images, definitions: gate.definitions, dockerfile, frontend };
}

/** By name, because what starts containers loads when one is started. */
const OF_CONVERSIONS = new Set(["ConversionError", "ContainerError", "GateError"]);

/** A failure of a frontend that is not the standard one, told with its name and the line that names it. */
function blaming({ reference, line }: OtherFrontend, returned: Converted["returned"]): Converted["returned"] {
  const who =
    line === undefined
      ? `the conversion image "${formatReference(reference)}" of the policy`
      : `the syntax image "${line.image}" of line ${line.line} of the Dockerfile`;
  if ("error" in returned) return { error: prefixedStatus(returned.error, `${who}: `) };
  if (!("failure" in returned)) return returned;
  const { failure } = returned;
  if (failure instanceof CallError)
    return { failure: CallError.ofStatus(prefixedStatus(failure.status, `${who}: `)) };
  if (!(failure instanceof Error) || !OF_CONVERSIONS.has(failure.name)) return returned;
  return { failure: new ConversionError(`${who}: ${failure.message}`, { cause: failure }) };
}

/** The encoded Result of a conversion. Throws what it failed with. */
export function resultOf({ returned }: Converted): Uint8Array {
  if ("result" in returned) return returned.result;
  if ("failure" in returned) throw returned.failure;
  throw CallError.ofStatus(returned.error);
}

const SYNTAX_ARG = "build-arg:BUILDKIT_SYNTAX";

/**
 * The frontend that the Dockerfile itself names, when the caller put us in its place (BUILDKIT_SYNTAX) and it is neither us
 * nor what we bring along. Text that is no image reference is for the standard conversion to pass over.
 */
function frontendOf(
  { data }: ReadDockerfile,
  options: Readonly<Record<string, string>>,
): OtherFrontend | undefined {
  if (options[SYNTAX_ARG] === undefined) return undefined;
  const line = syntaxLineOf(data);
  const reference = line && readReference(line.image);
  if (line === undefined || reference === undefined || isStandard(line.image)) return undefined;
  const us = readReference(options["source"] ?? options[SYNTAX_ARG].split(" ", 1)[0] ?? "");
  const isUs = us?.registry === reference.registry && us.repository === reference.repository;
  return isUs ? undefined : { reference, line };
}

// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { DockerfileError } from "../dockerfile/dockerfile-error.ts";
import type { Bridge } from "../gateway/bridge.ts";
import { readResult } from "../gateway/result.ts";
import { dockerfileIn } from "../llb/image-sources.ts";
import { type Conversion, withoutSyntaxLine } from "./conversion.ts";

const Targets = v.object({ sources: v.pipe(v.array(v.string()), v.minLength(1)) });

/**
 * The text of the Dockerfile that was converted, as BuildKit itself read it. An LLB without operations carries no
 * source map; then BuildKit is asked to list the targets, and its answer has the text.
 */
export function dockerfileText(bridge: Bridge, conversion: Conversion): Promise<string> {
  const known = texts.get(conversion) ?? readText(bridge, conversion);
  texts.set(conversion, known);
  return known;
}

/** What was read before: each conversion has one text, and it is asked for by several. */
const texts = new WeakMap<Conversion, Promise<string>>();

async function readText(bridge: Bridge, { definitions, request }: Conversion): Promise<string> {
  // Linked builds bring the texts of their own Dockerfiles into the LLB, and nothing there tells whose is whose.
  const isAlone = Object.keys(request.inputs).length === 0;
  const bytes =
    (isAlone ? dockerfileIn(definitions, request.options["filename"] ?? "Dockerfile") : undefined) ??
    (await askForTargets(bridge, request));
  const text = decodeWhole(bytes);
  if (text !== undefined) return text;
  throw new DockerfileError(
    "NOT_FOLLOWED",
    firstBadLine(bytes),
    "it is not UTF-8, so its FROM lines cannot be told",
  );
}

/** The text of bytes that are UTF-8 throughout; a byte put in place of another could hide a line from us. */
function decodeWhole(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function firstBadLine(bytes: Uint8Array): number {
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0 || decodeWhole(bytes.subarray(start, end)) === undefined) break;
    start = end + 1;
  }
  return line;
}

async function askForTargets(
  bridge: Bridge,
  { options, inputs }: Conversion["request"],
): Promise<Uint8Array> {
  const { metadata } = readResult(
    await bridge.solve({
      Frontend: "dockerfile.v0",
      FrontendOpt: { ...withoutSyntaxLine(options), requestid: "frontend.targets" },
      FrontendInputs: { ...inputs },
    }),
  );
  const list = v.parse(Targets, JSON.parse(new TextDecoder().decode(metadata["result.json"])));
  return Buffer.from(list.sources[0] ?? "", "base64");
}

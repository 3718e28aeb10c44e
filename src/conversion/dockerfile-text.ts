// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import type { Bridge } from "../gateway/bridge.ts";
import { readResult } from "../gateway/result.ts";
import { dockerfileIn } from "../llb/image-sources.ts";
import type { Conversion } from "./conversion.ts";

const Targets = v.object({ sources: v.pipe(v.array(v.pipe(v.string(), v.base64())), v.minLength(1)) });

/**
 * The text of the Dockerfile that was converted, as BuildKit itself read it. An LLB without operations carries no
 * source map; then BuildKit is asked to list the targets, and its answer has the text.
 */
export async function dockerfileText(bridge: Bridge, { definitions, request }: Conversion): Promise<string> {
  // Linked builds bring the texts of their own Dockerfiles into the LLB, and nothing there tells whose is whose.
  const isAlone = Object.keys(request.inputs).length === 0;
  const bytes =
    (isAlone ? dockerfileIn(definitions, request.options["filename"] ?? "Dockerfile") : undefined) ??
    (await askForTargets(bridge, request));
  return new TextDecoder().decode(bytes);
}

async function askForTargets(
  bridge: Bridge,
  { options, inputs }: Conversion["request"],
): Promise<Uint8Array> {
  const { metadata } = readResult(
    await bridge.solve({
      Frontend: "dockerfile.v0",
      FrontendOpt: {
        ...options,
        cmdline: options["cmdline"] ?? "tlog-dockerfile",
        requestid: "frontend.targets",
      },
      FrontendInputs: { ...inputs },
    }),
  );
  const list = v.parse(Targets, JSON.parse(new TextDecoder().decode(metadata["result.json"])));
  return Buffer.from(list.sources[0] ?? "", "base64");
}

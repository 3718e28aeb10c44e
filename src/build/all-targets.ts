// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { CheckError } from "../check/signers.ts";
import { readResult } from "../gateway/result.ts";
import { type Converted, resultOf } from "./convert.ts";

/** More targets than this are a Dockerfile that was made to keep us busy. */
const MAX_TARGETS = 100;

/** The conversion's list of targets (BuildKit, frontend/subrequests/targets); a stage without a name has none. */
const Targets = v.object({ targets: v.nullish(v.array(v.object({ name: v.optional(v.string(), "") })), []) });

/** What a build's targets are converted with. */
interface AllTargetsContext {
  readonly options: Readonly<Record<string, string>>;
  /** Converts the same Dockerfile with other options. */
  readonly convertFor: (changed: Readonly<Record<string, string>>) => Promise<Converted>;
}

/**
 * Converts the other targets of the Dockerfile too: a lock file is for all of them. Answers the conversion of the build itself
 * and of every stage that has a name; a stage without one is either used by these or by nothing. Throws CheckError for a
 * Dockerfile with more stages than are converted.
 */
export async function convertAllTargets(
  converted: Converted,
  { options, convertFor }: AllTargetsContext,
): Promise<readonly Converted[]> {
  // Whoever has no result has no other targets to look at; why is told with what was judged until then.
  if (!("result" in converted.returned)) return [converted];
  const listed = readResult(resultOf(await convertFor({ requestid: "frontend.targets" })));
  const { targets } = v.parse(
    Targets,
    JSON.parse(Buffer.from(listed.metadata["result.json"] ?? "{}").toString()),
  );
  const names = new Set((targets ?? []).map(({ name }) => name).filter((name) => name !== ""));
  // What was left out would be dropped from the file.
  if (names.size > MAX_TARGETS) {
    throw new CheckError(
      `make the lock file: the Dockerfile has ${names.size} named stages, and the limit is ${MAX_TARGETS}; split it`,
    );
  }
  const all = [converted];
  for (const target of names) {
    if (target.toLowerCase() === options["target"]?.toLowerCase()) continue;
    all.push(await convertFor({ target }));
  }
  return all;
}

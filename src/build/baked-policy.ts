// SPDX-License-Identifier: Apache-2.0
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { PolicyText } from "../policy/policy.ts";
import { BuildFileError } from "./build-file.ts";

const BAKED_POLICY = "policy.yaml";
/** The files that an organisation's image may have beside its policy. */
const OTHERS = ["trusted_root.json", "signing_config.json", "tuf_root.json"];

/**
 * The policy in an organisation's image; undefined when its directory, or the file, is not there. Throws BuildFileError for a
 * file that nobody reads and that looks like one of these, and what reading throws: a policy must not get lost.
 */
export async function readBakedPolicy(directory: string): Promise<PolicyText | undefined> {
  const names = await namesIn(directory);
  const misnamed = names.filter(
    (name) => /\.(?:ya?ml|json)$/i.test(name) && name !== BAKED_POLICY && !OTHERS.includes(name),
  );
  refuseMisnamed(
    misnamed.map((name) => join(directory, name)),
    BAKED_POLICY,
  );
  if (!names.includes(BAKED_POLICY)) return undefined;
  // It will be needed, and loads while BuildKit and the conversion are at work.
  void import("../policy/policy-file.ts");
  return { text: await readFile(join(directory, BAKED_POLICY), "utf8"), name: BAKED_POLICY };
}

/** Throws BuildFileError for policies by names that are not read. */
export function refuseMisnamed(places: readonly string[], right: string): void {
  const [place] = places;
  if (place === undefined) return;
  throw new BuildFileError(
    "misnamed",
    `find "${place}": a policy is read from a file with the name "${right}" alone; rename it, or remove it`,
  );
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

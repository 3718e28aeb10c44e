// SPDX-License-Identifier: Apache-2.0
import { accessSync, constants, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { SIGHTING_PREDICATE_TYPE } from "../../src/record/statement.ts";
import { chroot } from "../e2e/lab/chroot.ts";
import { type Outcome, run } from "../e2e/lab/command.ts";
import type { Sample } from "./sample-sighting.ts";
import type { Target } from "./target.ts";

const TIMEOUT_MS = 60_000;

/** Runs rekor-cli against the target; its state is kept in a home of its own for each target. */
export async function rekorCli({ place, directory }: Target, args: readonly string[]): Promise<Outcome> {
  const file = await programPath("rekor-cli");
  const home = join(directory, "rekor-cli");
  mkdirSync(home, { recursive: true });
  const all = [...args, "--rekor_server", place.rekorV1, "--format", "json"];
  return run(file, all, { env: { HOME: home }, timeoutMs: TIMEOUT_MS });
}

/** What rekor-cli says, as JSON. Throws with all of its output when it fails. */
export async function rekorCliJson(target: Target, args: readonly string[]): Promise<unknown> {
  const { code, stdout, output } = await rekorCli(target, args);
  if (code !== 0) throw new Error(`rekor-cli ${args.join(" ")} ended with exit code ${code}: ${output}`);
  return JSON.parse(stdout) as unknown;
}

/** What cosign verifies: a bundle, and what it should be about. */
export interface CosignQuestion {
  readonly target: Target;
  readonly sample: Sample;
  readonly bundle: unknown;
  /** Hex of the sha256 of the artifact; without it, the artifact is the tag's name itself. */
  readonly digest?: string;
}

let questions = 0;

/**
 * Runs `cosign verify-blob-attestation` where there is no network: with the sample's key and the target's trusted
 * root, for our predicate type.
 */
export async function cosign({ target, sample, bundle, digest }: CosignQuestion): Promise<Outcome> {
  const directory = join(target.directory, `cosign-${(questions += 1)}`);
  mkdirSync(directory);
  const file = (name: string, text: string) => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  };
  const about =
    digest === undefined ? [file("tag.txt", sample.name)] : ["--digest", digest, "--digestAlg", "sha256"];
  return run(
    "unshare",
    [
      "--net",
      "--",
      await programPath("cosign"),
      "verify-blob-attestation",
      "--bundle",
      file("bundle.sigstore.json", JSON.stringify(bundle)),
      "--trusted-root",
      target.trustedRootFile,
      "--key",
      file("key.pub", sample.key.pem),
      "--type",
      SIGHTING_PREDICATE_TYPE,
      ...about,
    ],
    { env: { HOME: directory }, timeoutMs: TIMEOUT_MS },
  );
}

/** The program on PATH, or Debian's in the lab's chroot. */
async function programPath(name: "cosign" | "rekor-cli"): Promise<string> {
  for (const directory of (process.env["PATH"] ?? "").split(delimiter)) {
    const file = join(directory, name);
    if (directory.startsWith("/") && isExecutable(file)) return file;
  }
  return (await chroot()).tool(name);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

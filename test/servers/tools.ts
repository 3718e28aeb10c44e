// SPDX-License-Identifier: Apache-2.0
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { SIGHTING_PREDICATE_TYPE } from "../../src/record/statement.ts";
import { chroot } from "../e2e/lab/chroot.ts";
import { type Outcome, run } from "../e2e/lab/command.ts";
import type { KeySample, Sample } from "./sample-sighting.ts";
import type { LogApi, Target } from "./target.ts";

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
  /** The artifact, which is the tag's name itself, and who is trusted. */
  readonly sample: Pick<Sample, "name" | "by">;
  readonly bundle: unknown;
  /** Hex of the sha256 of the artifact, instead. */
  readonly digest?: string;
  /** Whether it has to have a time by a timestamp authority. */
  readonly timed?: boolean;
}

/**
 * Runs `cosign verify-blob-attestation` where there is no network: with the sample's signer and the target's trusted
 * root, for our predicate type.
 */
export async function cosign({ target, sample, bundle, digest, timed }: CosignQuestion): Promise<Outcome> {
  const { name, by } = sample;
  const files = newDirectory(target);
  const pem = () =>
    by.kind === "key" ? by.publicKey.export({ type: "spki", format: "pem" }).toString() : "";
  const signer =
    by.kind === "key"
      ? ["--key", files.write("key.pub", pem())]
      : ["--certificate-identity", by.identity, "--certificate-oidc-issuer", by.issuer];
  const about =
    digest === undefined ? [files.write("tag.txt", name)] : ["--digest", digest, "--digestAlg", "sha256"];
  return run(
    "unshare",
    [
      "--net",
      "--",
      await programPath("cosign"),
      "verify-blob-attestation",
      "--bundle",
      files.write("bundle.sigstore.json", JSON.stringify(bundle)),
      "--trusted-root",
      target.trustedRootFile,
      ...signer,
      "--type",
      SIGHTING_PREDICATE_TYPE,
      ...(timed === true ? ["--use-signed-timestamps"] : []),
      ...about,
    ],
    { env: { HOME: files.directory }, timeoutMs: TIMEOUT_MS },
  );
}

/**
 * Has cosign sign the sample's statement and record it in the log of this API: with the sample's key, or with a token of the
 * target's issuer. Gives the bundle that it writes. Throws with all of its output when it fails.
 */
export async function cosignAttest(
  target: Target,
  { sample, api }: { readonly sample: Sample | KeySample; readonly api: LogApi },
): Promise<unknown> {
  const files = newDirectory(target);
  const file = await programPath("cosign");
  const options = {
    env: { HOME: files.directory, COSIGN_PASSWORD: "" },
    timeoutMs: TIMEOUT_MS,
    cwd: files.directory,
  };
  const must = async (args: readonly string[]) => {
    const { code, output } = await run(file, args, options);
    if (code !== 0) throw new Error(`cosign ${args[0]} ended with exit code ${code}: ${output}`);
  };
  let signer: readonly string[];
  if ("key" in sample) {
    const pem = sample.key.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    await must(["import-key-pair", "--key", files.write("key.pem", pem), "--output-key-prefix", "own"]);
    signer = ["--key", join(files.directory, "own.key")];
  } else {
    // By way of a file: what it reads itself it takes for a token only with some algorithms.
    signer = ["--identity-token", files.write("token", await target.token())];
  }
  const bundle = join(files.directory, "bundle.sigstore.json");
  await must([
    "attest-blob",
    "--statement",
    files.write("statement.json", Buffer.from(sample.statement).toString()),
    "--signing-config",
    target.signingConfigFile(api),
    "--trusted-root",
    target.trustedRootFile,
    "--bundle",
    bundle,
    "--yes",
    ...signer,
  ]);
  return JSON.parse(readFileSync(bundle, "utf8"));
}

let directories = 0;

/** A directory for one run of a tool, and how to write its files. */
function newDirectory(target: Target) {
  const directory = join(target.directory, `tool-${(directories += 1)}`);
  mkdirSync(directory);
  const write = (name: string, text: string) => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  };
  return { directory, write };
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

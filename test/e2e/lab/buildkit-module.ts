// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { mustRun } from "./command.ts";
import { type Go, goModule, type GoModule } from "./go.ts";
import { LabError } from "./lab-error.ts";

/** The program's package, in the module's directory. */
export const PACKAGE = "./frontend/dockerfile/cmd/dockerfile-frontend";

const MODULE = "github.com/moby/buildkit";
/** For \`go list\`: the files of this module, a line each. */
const OWN_FILES =
  '{{if .Module}}{{if .Module.Main}}{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}{{"\\n"}}{{end}}{{range .EmbedFiles}}{{$dir}}/{{.}}{{"\\n"}}{{end}}{{end}}{{end}}';
const LIST_TIMEOUT_MS = 5 * 60_000;

/** Downloads BuildKit's module, if Go does not have it. Throws LabError NOT_MADE with Go's reason in one line. */
export function buildkitModule(go: Go, version: string): Promise<GoModule> {
  return goModule(go, MODULE, version);
}

/**
 * The version that the module's Dockerfile frontend says it has: "1.28". Throws LabError NOT_MADE when it says none, as
 * before v0.21.
 */
export async function frontendVersion({ directory, version }: GoModule): Promise<string> {
  const text = await read(join(directory, "frontend/dockerfile/version/version.go"));
  const found = /^const version = "(\d+\.\d+)"$/m.exec(text)?.[1];
  if (found !== undefined) return found;
  throw new LabError("NOT_MADE", `BuildKit ${version} does not say the version of its Dockerfile frontend`);
}

/** The Go that the module takes: "1.26.8". Throws LabError NOT_MADE when its go.mod does not say it. */
export async function requiredGo({ directory, version }: GoModule): Promise<string> {
  const found = /^go (\d+\.\d+(?:\.\d+)?)$/m.exec(await read(join(directory, "go.mod")))?.[1];
  if (found !== undefined) return found;
  throw new LabError("NOT_MADE", `the go.mod of BuildKit ${version} does not say which Go it takes`);
}

/** A digest of BuildKit's own files that are compiled into its Dockerfile frontend. Throws LabError COMMAND_FAILED. */
export async function frontendSources(go: Go, { directory }: GoModule): Promise<string> {
  const { stdout } = await mustRun(go.command, ["list", "-mod=readonly", "-deps", "-f", OWN_FILES, PACKAGE], {
    cwd: directory,
    env: go.env,
    timeoutMs: LIST_TIMEOUT_MS,
  });
  const hash = createHash("sha256");
  for (const file of stdout.split("\n").filter((line) => line !== "")) {
    hash
      .update(`${relative(directory, file)}\0`)
      .update(await readFile(file))
      .update("\0");
  }
  return hash.digest("hex");
}

async function read(path: string): Promise<string> {
  return await readFile(path, "utf8").catch(() => "");
}

// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { mustRun, run } from "./command.ts";
import type { Go } from "./go.ts";
import { LabError } from "./lab-error.ts";

/** BuildKit's Go module at one version, in Go's module cache. */
export interface BuildkitModule {
  readonly version: string;
  readonly directory: string;
  /** What go.sum says of it: "h1:…". */
  readonly sum: string;
}

/** The program's package, in the module's directory. */
export const PACKAGE = "./frontend/dockerfile/cmd/dockerfile-frontend";

const MODULE = "github.com/moby/buildkit";
/** For \`go list\`: the files of this module, a line each. */
const OWN_FILES =
  '{{if .Module}}{{if .Module.Main}}{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}{{"\\n"}}{{end}}{{range .EmbedFiles}}{{$dir}}/{{.}}{{"\\n"}}{{end}}{{end}}{{end}}';
const DOWNLOAD_TIMEOUT_MS = 5 * 60_000;

/** Downloads the module, if Go does not have it. Throws LabError NOT_MADE with Go's reason in one line. */
export async function buildkitModule(go: Go, version: string): Promise<BuildkitModule> {
  // Outside of any module, so that no go.mod near us has a say in it.
  const { stdout, stderr } = await run(go.command, ["mod", "download", "-json", `${MODULE}@${version}`], {
    cwd: "/",
    env: go.env,
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
  });
  const { Dir: directory, Sum: sum, Error: reason = stderr } = parse(stdout);
  if (directory !== undefined && sum !== undefined) return { version, directory, sum };
  const line = reason.trim().replaceAll(/\s+/g, " ").slice(0, 500) || "go says nothing";
  throw new LabError("NOT_MADE", `cannot download the Go module ${MODULE}@${version}: ${line}`);
}

/**
 * The version that the module's Dockerfile frontend says it has: "1.28". Throws LabError NOT_MADE when it says none, as
 * before v0.21.
 */
export async function frontendVersion({ directory, version }: BuildkitModule): Promise<string> {
  const text = await read(join(directory, "frontend/dockerfile/version/version.go"));
  const found = /^const version = "(\d+\.\d+)"$/m.exec(text)?.[1];
  if (found !== undefined) return found;
  throw new LabError("NOT_MADE", `BuildKit ${version} does not say the version of its Dockerfile frontend`);
}

/** The Go that the module takes: "1.26.8". Throws LabError NOT_MADE when its go.mod does not say it. */
export async function requiredGo({ directory, version }: BuildkitModule): Promise<string> {
  const found = /^go (\d+\.\d+(?:\.\d+)?)$/m.exec(await read(join(directory, "go.mod")))?.[1];
  if (found !== undefined) return found;
  throw new LabError("NOT_MADE", `the go.mod of BuildKit ${version} does not say which Go it takes`);
}

/** A digest of BuildKit's own files that are compiled into its Dockerfile frontend. Throws LabError COMMAND_FAILED. */
export async function frontendSources(go: Go, { directory }: BuildkitModule): Promise<string> {
  const { stdout } = await mustRun(go.command, ["list", "-mod=readonly", "-deps", "-f", OWN_FILES, PACKAGE], {
    cwd: directory,
    env: go.env,
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
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

/** What `go mod download -json` prints. */
interface Downloaded {
  readonly Dir?: string;
  readonly Sum?: string;
  readonly Error?: string;
}

function parse(stdout: string): Downloaded {
  try {
    return JSON.parse(stdout) as Downloaded;
  } catch {
    return {};
  }
}

async function read(path: string): Promise<string> {
  return await readFile(path, "utf8").catch(() => "");
}

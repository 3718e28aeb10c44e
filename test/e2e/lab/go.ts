// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./command.ts";
import { inheritedEnvironment, installDebian } from "./debian.ts";
import { LabError } from "./lab-error.ts";
import { say } from "./progress.ts";

/** A go command and the environment to run it in. */
export interface Go {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
}

const PACKAGES = ["ca-certificates", "golang-go"];
/** Older suites have no Go that builds a current BuildKit. */
const SUITES = ["forky"];

/**
 * Finds a Go that is not older than `required` ("1.26.8"): the one on PATH, or Debian's, which is installed once in the lab's
 * directory. Throws LabError NOT_POSSIBLE or NOT_MADE.
 */
export async function findGo(required: string, labDir: string): Promise<Go> {
  // The Go that is there, never one that it downloads by itself; and nothing that is set for other builds.
  const settings = { CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off", GOTOOLCHAIN: "local" };
  const onPath = { command: "go", env: { ...inheritedEnvironment(), ...settings } };
  const found = await goVersion(onPath);
  if (found !== undefined && isNewEnough(found, required)) return onPath;
  const missing =
    found === undefined ? `there is no "go" on PATH` : `the "go" on PATH is ${found}, older than ${required}`;
  const debians = await debianGo(labDir, missing, onPath.env);
  const version = await goVersion(debians);
  if (version !== undefined && isNewEnough(version, required)) return debians;
  throw new LabError(
    "NOT_MADE",
    `BuildKit's module takes Go ${required}: ${missing}, and Debian's is "${version}"; install Go ${required} or newer`,
  );
}

/** Whether a version as `go env GOVERSION` prints it ("go1.27.3") is `required` or newer. Versions under development are not. */
export function isNewEnough(version: string, required: string): boolean {
  const have = numbers(version.replace(/^go/, ""));
  const want = numbers(required);
  if (have === undefined || want === undefined) return false;
  const different = want.findIndex((number, index) => number !== have[index]);
  return different === -1 || (have[different] ?? 0) > (want[different] ?? 0);
}

function numbers(version: string): readonly number[] | undefined {
  // Debian and other distributors append words of their own: "1.26.8-X:nodwarf5".
  const [, major, minor, patch = "0"] = /^(\d+)\.(\d+)(?:\.(\d+))?(?:[ -].*)?$/.exec(version) ?? [];
  return major === undefined || minor === undefined ? undefined : [major, minor, patch].map(Number);
}

async function goVersion({ command, env }: Go): Promise<string | undefined> {
  const asked = await run("sh", ["-c", '"$0" env GOVERSION', command], { env, timeoutMs: 10_000 });
  return asked.code === 0 ? asked.stdout.trim() : undefined;
}

/** A Go module at one version, in Go's module cache. */
export interface GoModule {
  readonly version: string;
  readonly directory: string;
  /** What go.sum says of it: "h1:…". */
  readonly sum: string;
}

const DOWNLOAD_TIMEOUT_MS = 5 * 60_000;

/** Downloads a module, if Go does not have it. Throws LabError NOT_MADE with Go's reason in one line. */
export async function goModule(go: Go, module: string, version: string): Promise<GoModule> {
  // Outside of any module, so that no go.mod near us has a say in it.
  const { stdout, stderr } = await run(go.command, ["mod", "download", "-json", `${module}@${version}`], {
    cwd: "/",
    env: go.env,
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
  });
  const { Dir: directory, Sum: sum, Error: reason = stderr } = parse(stdout);
  if (directory !== undefined && sum !== undefined) return { version, directory, sum };
  const line = reason.trim().replaceAll(/\s+/g, " ").slice(0, 500) || "go says nothing";
  throw new LabError("NOT_MADE", `cannot download the Go module ${module}@${version}: ${line}`);
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

/** Debian's go command is static, so that it runs on the machine's own files, network and certificates. */
async function debianGo(labDir: string, missing: string, env: Go["env"]): Promise<Go> {
  const directory = join(labDir, "go");
  const root = join(directory, "root");
  if (!existsSync(join(directory, "made"))) {
    if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
      const why = "installing Debian's takes root and apt-get";
      throw new LabError(
        "NOT_POSSIBLE",
        `cannot compile BuildKit's Dockerfile frontend: ${missing}, and ${why}`,
      );
    }
    say(`  installing Go from Debian's packages, because ${missing}`);
    const log = join(labDir, "logs", "go.log");
    await mkdir(join(labDir, "logs"), { recursive: true });
    await mkdir(directory, { recursive: true });
    const suite = await installDebian({ root, packages: PACKAGES, suites: SUITES, log });
    await writeFile(join(directory, "made"), `${suite}\n`);
  }
  const goroot = join(root, "usr/lib/go");
  const own = {
    GOROOT: goroot,
    GOPATH: join(directory, "path"),
    GOMODCACHE: join(directory, "path/pkg/mod"),
    GOCACHE: join(directory, "cache"),
  };
  return { command: join(goroot, "bin/go"), env: { ...env, ...own } };
}

// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RELEASE } from "../../../src/conversion/release.ts";
import { labDirectory, lockLab, MULTIARCH, markLab } from "./chroot.ts";
import { mustRun, run } from "./command.ts";
import { inheritedEnvironment, installDebian } from "./debian.ts";
import { LabError } from "./lab-error.ts";
import { say } from "./progress.ts";

/** The standard Dockerfile conversion, made from BuildKit's Go module. */
export interface ConversionProgram {
  /** The static program. */
  readonly path: string;
  /** BuildKit's licence. */
  readonly licence: string;
}

/** `mainline` is what docker/dockerfile:1 is, `labs` is docker/dockerfile:1-labs: the same with other build tags. */
export type Channel = "mainline" | "labs";

const MODULE = "github.com/moby/buildkit";
const PACKAGE = "./frontend/dockerfile/cmd/dockerfile-frontend";
/** As the frontend's own image is built: static, no cgo. */
const TAGS = ["netgo", "static_build", "osusergo"];
const BUILD_TIMEOUT_MS = 15 * 60_000;
/** The first Go that builds the module, and Debian's package of it. */
const GO_MINOR = 26;
const GO_PACKAGE = `golang-1.${GO_MINOR}-go`;

/**
 * Gives the conversion of our release; makes it from its Go module when it is not there, which takes a minute or two and is told
 * on standard error. `go` on PATH makes it when it is new enough, and Go from Debian's packages otherwise. Two processes that
 * want it at the same time make it once. Throws LabError when it cannot be made, or the module is not the one that we know.
 */
export async function conversionProgram(
  channel: Channel = "mainline",
  labDir = labDirectory(),
): Promise<ConversionProgram> {
  const directory = join(labDir, "conversion", `${RELEASE.buildkit}-${channel}`);
  const program = { path: join(directory, "dockerfile-frontend"), licence: join(directory, "LICENSE") };
  if (existsSync(program.path)) return program;
  await markLab(labDir);
  const unlock = await lockLab(labDir);
  try {
    if (!existsSync(program.path)) await make(program, { directory, channel, labDir });
  } finally {
    unlock();
  }
  return program;
}

async function make(
  program: ConversionProgram,
  { directory, channel, labDir }: { directory: string; channel: Channel; labDir: string },
): Promise<void> {
  const start = performance.now();
  say(
    `building the Dockerfile conversion from ${MODULE}@${RELEASE.buildkit} (${channel}), once, a minute or two …`,
  );
  const go = await findGo(labDir);
  const { Dir: module, Sum: sum } = await downloadModule(go);
  if (sum !== RELEASE.sum) {
    throw new LabError(
      "NOT_MADE",
      `${MODULE}@${RELEASE.buildkit} is not the module that we know: got "${sum}", want "${RELEASE.sum}"`,
    );
  }
  const channelTags = await readFile(join(module, "frontend/dockerfile/release", channel, "tags"), "utf8");
  const tags = [...channelTags.split(/\s+/).filter(Boolean), ...TAGS].join(",");
  await mkdir(directory, { recursive: true });
  const half = `${program.path}.${process.pid}`;
  // In the module's own directory, so that its go.sum decides about every dependency.
  await mustRun(
    go.command,
    [
      ...go.args,
      "build",
      "-mod=readonly",
      "-trimpath",
      "-tags",
      tags,
      "-ldflags",
      "-s -w",
      "-o",
      half,
      PACKAGE,
    ],
    { cwd: module, env: go.env, timeoutMs: BUILD_TIMEOUT_MS },
  );
  await copyFile(join(module, "LICENSE"), program.licence);
  await writeFile(join(directory, "origin"), `${MODULE}@${RELEASE.buildkit} ${sum}\n`);
  await rename(half, program.path);
  say(`built in ${Math.round((performance.now() - start) / 1000)} s`);
}

interface Go {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

async function findGo(labDir: string): Promise<Go> {
  const env = {
    ...inheritedEnvironment(),
    CGO_ENABLED: "0",
    GOFLAGS: "",
    GOWORK: "off",
    GOTOOLCHAIN: "local",
  };
  const there = await run("sh", ["-c", "go env GOVERSION"], { env, timeoutMs: 10_000 });
  const [, minor = "0"] = /^go1\.(\d+)/.exec(there.output.trim()) ?? [];
  if (there.code === 0 && Number(minor) >= GO_MINOR) return { command: "go", args: [], env };
  return debianGo(labDir, env);
}

/** Go from Debian's packages, in a directory of its own, with the loader and the libraries that it comes with. */
async function debianGo(labDir: string, env: Go["env"]): Promise<Go> {
  const root = join(labDir, "go");
  const made = join(labDir, "go-made");
  if (!existsSync(made)) {
    say(`  installing ${GO_PACKAGE} from Debian, because there is no Go 1.${GO_MINOR} on PATH`);
    const log = join(labDir, "logs", "go.log");
    await mkdir(join(labDir, "logs"), { recursive: true });
    await installDebian({ root, packages: [GO_PACKAGE, "ca-certificates"], suites: ["forky"], log });
    await writeFile(made, GO_PACKAGE);
  }
  const goroot = join(root, `usr/lib/go-1.${GO_MINOR}`);
  const own = { GOROOT: goroot, GOPATH: join(labDir, "go-path"), GOCACHE: join(labDir, "go-cache") };
  return {
    command: join(root, MULTIARCH.loader),
    args: ["--library-path", join(root, MULTIARCH.libraries), join(goroot, "bin/go")],
    env: { HOME: labDir, ...env, ...own },
  };
}

async function downloadModule(go: Go): Promise<{ readonly Dir: string; readonly Sum: string }> {
  const args = [...go.args, "mod", "download", "-json", `${MODULE}@${RELEASE.buildkit}`];
  const { stdout } = await mustRun(go.command, args, { env: go.env, timeoutMs: BUILD_TIMEOUT_MS });
  return JSON.parse(stdout) as { readonly Dir: string; readonly Sum: string };
}

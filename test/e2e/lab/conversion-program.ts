// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { RELEASE } from "../../../src/conversion/release.ts";
import { PACKAGE, buildkitModule } from "./buildkit-module.ts";
import { labDirectory, lockLab, markLab } from "./chroot.ts";
import { mustRun } from "./command.ts";
import { findGo } from "./go.ts";
import { LabError } from "./lab-error.ts";
import { say } from "./progress.ts";

/** `mainline` is docker/dockerfile:1, `labs` is docker/dockerfile:1-labs: the same with the build tags that BuildKit has for it. */
export type Channel = "mainline" | "labs";

/** What `src/conversion/release.ts` says. */
export type Release = Readonly<Record<keyof typeof RELEASE, string>>;

/** As the frontend's own image is built: static, no cgo. */
const TAGS = ["netgo", "static_build", "osusergo"];
const BUILD_TIMEOUT_MS = 15 * 60_000;

/**
 * Gives the path of the standard Dockerfile conversion; compiles it from BuildKit's Go module when it is not there, which takes
 * a minute or two and is told on standard error. Two processes that want it at the same time compile it once. Throws LabError
 * when it cannot be compiled, or the module is not the one that the release names.
 */
export async function conversionProgram(
  channel: Channel = "mainline",
  labDir = labDirectory(),
  release: Release = RELEASE,
): Promise<string> {
  const directory = join(labDir, "conversion", `${release.buildkit}-${channel}`);
  const program = join(directory, "dockerfile-frontend");
  if (existsSync(program)) return program;
  await markLab(labDir);
  const unlock = await lockLab(labDir);
  try {
    if (existsSync(program)) return program;
    await mkdir(directory, { recursive: true });
    await compile(program, { channel, labDir, release });
  } finally {
    unlock();
  }
  return program;
}

async function compile(
  program: string,
  {
    channel,
    labDir,
    release,
  }: { readonly channel: Channel; readonly labDir: string; readonly release: Release },
): Promise<void> {
  const start = performance.now();
  say(`compiling BuildKit's Dockerfile frontend ${release.buildkit} (${channel}), once, a minute or two …`);
  const go = await findGo(release.go, labDir);
  const { directory, sum } = await buildkitModule(go, release.buildkit);
  if (sum !== release.sum) {
    throw new LabError(
      "NOT_MADE",
      `the Go module of BuildKit ${release.buildkit} is not the one that we know: got "${sum}", want "${release.sum}"`,
    );
  }
  const tags = [...(await channelTags(directory, channel)), ...TAGS].join(",");
  const version = `dockerfile/${release.dockerfile}${channel === "labs" ? "-labs" : ""}`;
  const flags = `-s -w -X main.Version=${version} -X main.Revision=${release.buildkit}`;
  const half = `${program}.${process.pid}`;
  try {
    await mustRun(
      go.command,
      [
        "build",
        "-mod=readonly",
        "-buildvcs=false",
        "-trimpath",
        "-tags",
        tags,
        "-ldflags",
        flags,
        "-o",
        half,
        PACKAGE,
      ],
      // In the module's own directory, so that its go.sum decides about every dependency.
      { cwd: directory, env: go.env, timeoutMs: BUILD_TIMEOUT_MS },
    );
    await rename(half, program);
  } finally {
    await rm(half, { force: true });
  }
  say(`compiled in ${Math.round((performance.now() - start) / 1000)} s`);
}

async function channelTags(directory: string, channel: Channel): Promise<readonly string[]> {
  const text = await readFile(join(directory, "frontend/dockerfile/release", channel, "tags"), "utf8");
  return text.split(/\s+/).filter((tag) => tag !== "");
}

// SPDX-License-Identifier: Apache-2.0
// Takes up another release of BuildKit's Dockerfile conversion: npm run conversion:update -- v0.35.0
import { readFileSync, writeFileSync } from "node:fs";
import { RELEASE } from "../src/conversion/release.ts";
import {
  buildkitModule,
  frontendSources,
  frontendVersion,
  requiredGo,
} from "../test/e2e/lab/buildkit-module.ts";
import { labDirectory, markLab } from "../test/e2e/lab/chroot.ts";
import { type Release, conversionProgram } from "../test/e2e/lab/conversion-program.ts";
import { findGo, type Go, type GoModule } from "../test/e2e/lab/go.ts";
import { LabError } from "../test/e2e/lab/lab-error.ts";

const USAGE = "npm run conversion:update -- v0.35.0 [TAG]";
const RELEASE_FILE = new URL("../src/conversion/release.ts", import.meta.url);
const IMAGE_FILE = new URL("../Dockerfile.frontend", import.meta.url);

/** A release that is not taken up. The message says why and what to do. */
export class UpdateError extends Error {
  override readonly name = "UpdateError";
}

/** A version of BuildKit, and the tag of docker.io/docker/dockerfile if the caller names it. */
export interface Wanted {
  readonly version: string;
  readonly tag: string | undefined;
}

/** Reads the command's arguments. Throws UpdateError. */
export function readArguments([version = "", tag, ...more]: readonly string[]): Wanted {
  if (!/^v0\.\d+\.\d+$/.test(version)) {
    throw new UpdateError(`"${version}" is no version of BuildKit; name one as it is tagged: ${USAGE}`);
  }
  if (tag !== undefined && !/^1\.\d+\.\d+$/.test(tag)) {
    throw new UpdateError(`"${tag}" is no tag of docker.io/docker/dockerfile such as "1.28.0": ${USAGE}`);
  }
  if (more.length > 0) throw new UpdateError(`"${more.join(" ")}" is too much: ${USAGE}`);
  return { version, tag };
}

/** The text of src/conversion/release.ts with another release in it. Throws UpdateError when a value has no place there. */
export function withRelease(source: string, release: Readonly<Record<string, string>>): string {
  return Object.entries(release).reduce(
    (text, [key, value]) => replaced(text, new RegExp(`^( +${key}: )"[^"]*"`, "m"), JSON.stringify(value)),
    source,
  );
}

/** The text of Dockerfile.frontend with another tag of the conversion's image in it. Throws UpdateError when it has no place. */
export function withImage(source: string, dockerfile: string): string {
  return replaced(source, /^(ARG DOCKERFILE_IMAGE=docker\.io\/docker\/dockerfile:).*$/m, dockerfile);
}

function replaced(text: string, pattern: RegExp, value: string): string {
  if (!pattern.test(text)) throw new UpdateError(`nothing matches ${pattern} in the file that has to change`);
  return text.replace(pattern, (_, before: string) => before + value);
}

async function update({ version, tag }: Wanted): Promise<void> {
  const labDir = labDirectory();
  await markLab(labDir);
  const go = await findGo(RELEASE.go, labDir);
  const module = await buildkitModule(go, version);
  const release = {
    buildkit: version,
    sum: module.sum,
    go: await requiredGo(module),
    dockerfile: tag ?? (await tagOf(await findGo(await requiredGo(module), labDir), module)),
  } satisfies Release;
  const releaseFile = withRelease(readFileSync(RELEASE_FILE, "utf8"), release);
  const imageFile = withImage(readFileSync(IMAGE_FILE, "utf8"), release.dockerfile);
  await conversionProgram("mainline", labDir, release);
  writeFileSync(RELEASE_FILE, releaseFile);
  writeFileSync(IMAGE_FILE, imageFile);
  process.stdout.write(
    `the conversion is that of BuildKit ${version} now (docker/dockerfile:${release.dockerfile}, ${release.sum}); run "npm cit", and commit what "git diff" shows when it passes\n`,
  );
}

/**
 * The tag of the image that has this module's frontend. BuildKit publishes 1.N.0 with the first of its own releases of a row,
 * and a patch of it only when the frontend changed: then its number follows from nothing, and UpdateError asks for it.
 */
async function tagOf(go: Go, module: GoModule): Promise<string> {
  const minor = await frontendVersion(module);
  const first = module.version.replace(/\d+$/, "0");
  if (first !== module.version) {
    const firstSources = await frontendSources(go, await buildkitModule(go, first));
    if (firstSources !== (await frontendSources(go, module))) {
      throw new UpdateError(
        `the Dockerfile frontend of BuildKit ${module.version} is not that of ${first}, so docker/dockerfile:${minor}.0 has another one; find the tag "dockerfile/${minor}.N" of the release in BuildKit's repository and name it: npm run conversion:update -- ${module.version} ${minor}.N`,
      );
    }
  }
  return `${minor}.0`;
}

if (import.meta.main) {
  try {
    await update(readArguments(process.argv.slice(2)));
  } catch (error) {
    if (!(error instanceof UpdateError || error instanceof LabError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

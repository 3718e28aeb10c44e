// SPDX-License-Identifier: Apache-2.0
// Takes up another release of BuildKit's Dockerfile conversion: npm run conversion:update -- v0.35.0
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const MODULE = "github.com/moby/buildkit";
const VERSION = /^v0\.(\d+)\.\d+$/;
/** The conversion's own version is six behind BuildKit's, and its patches have numbers of their own. */
const BEHIND = 6;

/** A release that is not taken up. The message says why and what to do. */
export class UpdateError extends Error {
  override readonly name = "UpdateError";
}

/** The tag of docker.io/docker/dockerfile that goes with a version of BuildKit. Throws UpdateError for what is no version. */
export function dockerfileTag(version: string): string {
  const [, minor] = VERSION.exec(version) ?? [];
  if (minor === undefined || Number(minor) <= BEHIND) {
    throw new UpdateError(
      `"${version}" is no version of BuildKit; name one as it is tagged: npm run conversion:update -- v0.34.2`,
    );
  }
  return `1.${Number(minor) - BEHIND}.0`;
}

/** The text of src/conversion/release.ts with another release in it. */
export function withRelease(source: string, release: Readonly<Record<string, string>>): string {
  return Object.entries(release).reduce(
    (text, [key, value]) =>
      text.replace(new RegExp(`^( +${key}: )"[^"]*"`, "m"), `$1${JSON.stringify(value)}`),
    source,
  );
}

/** The text of Dockerfile.frontend with another tag of the conversion's image in it. */
export function withImage(source: string, dockerfile: string): string {
  return source.replace(
    /^(ARG DOCKERFILE_IMAGE=docker\.io\/docker\/dockerfile:).*$/m,
    (_, before: string) => before + dockerfile,
  );
}

function update(version: string | undefined): void {
  const dockerfile = dockerfileTag(version ?? "");
  const sum = moduleSum(`${MODULE}@${version}`);
  const root = new URL("..", import.meta.url).pathname;
  const write = (path: string, change: (text: string) => string): void =>
    writeFileSync(`${root}${path}`, change(readFileSync(`${root}${path}`, "utf8")));
  write("src/conversion/release.ts", (text) =>
    withRelease(text, { buildkit: version ?? "", sum, dockerfile }),
  );
  write("Dockerfile.frontend", (text) => withImage(text, dockerfile));
  process.stdout.write(
    `the conversion is that of BuildKit ${version} now (docker/dockerfile:${dockerfile}, ${sum}); run "npm cit", and commit what "git diff" shows when it passes\n`,
  );
}

function moduleSum(module: string): string {
  try {
    const answer = execFileSync("go", ["mod", "download", "-json", module], {
      encoding: "utf8",
      env: { ...process.env, GOFLAGS: "", GOWORK: "off" },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 10 * 60_000,
    });
    return (JSON.parse(answer) as { readonly Sum: string }).Sum;
  } catch (cause) {
    const { stdout = "", message } = cause as { readonly stdout?: string; readonly message: string };
    const said = /"Error": "(.*)"/.exec(stdout)?.[1] ?? message;
    throw new UpdateError(
      `cannot get the Go module "${module}" with the command go: ${said.split("\n", 1)[0]}`,
      { cause },
    );
  }
}

if (import.meta.main) {
  try {
    update(process.argv[2]);
  } catch (error) {
    if (!(error instanceof UpdateError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

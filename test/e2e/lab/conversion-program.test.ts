// SPDX-License-Identifier: Apache-2.0
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { conversionProgram } from "./conversion-program.ts";
import { isNewEnough } from "./go.ts";

const RELEASE = { buildkit: "v0.99.0", sum: "h1:known", go: "1.26.8", dockerfile: "1.93.0" };

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "conversion-program-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

/** Puts a `go` on PATH that gives a module with this sum and "compiles" its own arguments, with this exit code. */
function fakeGo({ sum, code = 0 }: { readonly sum: string; readonly code?: number }): void {
  const module = join(directory, "module");
  for (const [channel, tags] of Object.entries({ mainline: "", labs: "dfone dftwo\n" })) {
    const channelDirectory = join(module, "frontend/dockerfile/release", channel);
    mkdirSync(channelDirectory, { recursive: true });
    writeFileSync(join(channelDirectory, "tags"), tags);
  }
  const script = `#!/bin/sh
case "$1" in
env) echo go1.27.3 ;;
mod) echo '${JSON.stringify({ Dir: module, Sum: sum })}' ;;
build)
  echo built >> "${join(directory, "builds")}"
  while [ "$1" != -o ]; do line="$line $1"; shift; done
  sleep 0.2
  echo "$line" > "$2"
  exit ${code} ;;
esac
`;
  writeFileSync(join(directory, "go"), script, { mode: 0o755 });
  vi.stubEnv("PATH", `${directory}:${process.env["PATH"]}`);
}

test("two that want the program at the same time compile it once, and it is kept", async () => {
  fakeGo({ sum: RELEASE.sum });
  const labDir = join(directory, "lab");
  const [one, two] = await Promise.all([
    conversionProgram("mainline", labDir, RELEASE),
    conversionProgram("mainline", labDir, RELEASE),
  ]);
  const again = await conversionProgram("mainline", labDir, RELEASE);
  expect([two, again]).toEqual([one, one]);
  expect(readFileSync(one, "utf8")).toContain("-mod=readonly");
  expect(readFileSync(join(directory, "builds"), "utf8")).toBe("built\n");
});

test("the labs channel is compiled with BuildKit's tags for it, and says so in its version", async () => {
  fakeGo({ sum: RELEASE.sum });
  const program = await conversionProgram("labs", join(directory, "lab"), RELEASE);
  expect(readFileSync(program, "utf8")).toContain("-tags dfone,dftwo,netgo,static_build,osusergo ");
  expect(readFileSync(program, "utf8")).toContain("main.Version=dockerfile/1.93.0-labs ");
});

test("a module with another sum is not compiled", async () => {
  fakeGo({ sum: "h1:other" });
  const making = conversionProgram("mainline", join(directory, "lab"), RELEASE);
  await expect(making).rejects.toMatchObject({
    code: "NOT_MADE",
    message: `the Go module of BuildKit v0.99.0 is not the one that we know: got "h1:other", want "h1:known"`,
  });
  expect(existsSync(join(directory, "builds"))).toBe(false);
});

test("nothing is kept of a compilation that failed", async () => {
  fakeGo({ sum: RELEASE.sum, code: 1 });
  const labDir = join(directory, "lab");
  await expect(conversionProgram("mainline", labDir, RELEASE)).rejects.toMatchObject({
    code: "COMMAND_FAILED",
  });
  expect(readdirSync(join(labDir, "conversion/v0.99.0-mainline"))).toEqual([]);
});

test.for([
  ["go1.26.8", "1.26.8", true],
  ["go1.27", "1.26.8", true],
  ["go1.27.3", "1.26.8", true],
  ["go1.26.10", "1.26.8", true],
  ["go2.0", "1.26.8", true],
  ["go1.26.8-X:nodwarf5", "1.26.8", true],
  ["go1.26.7", "1.26.8", false],
  ["go1.26", "1.26.8", false],
  ["go1.9.9", "1.26.8", false],
  ["go1.27rc1", "1.26.8", false],
  ["devel go1.28-abc", "1.26.8", false],
  ["", "1.26.8", false],
] as const)("%s for %s: %s", ([version, required, enough]) => {
  expect(isNewEnough(version, required)).toBe(enough);
});

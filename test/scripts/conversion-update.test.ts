// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { UpdateError, readArguments, withImage, withRelease } from "../../scripts/conversion-update.ts";
import { RELEASE } from "../../src/conversion/release.ts";

const releaseFile = readFileSync("src/conversion/release.ts", "utf8");
const imageFile = readFileSync("Dockerfile.frontend", "utf8");

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "conversion-update-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test("the image takes the conversion of the release that the code names", () => {
  expect(imageFile).toContain(`\nARG DOCKERFILE_IMAGE=docker.io/docker/dockerfile:${RELEASE.dockerfile}\n`);
});

test("another release changes its four values and the image, and nothing else", () => {
  const release = { buildkit: "v0.99.1", sum: "h1:new", go: "1.99.1", dockerfile: "1.93.0" };
  expect(withRelease(releaseFile, release)).toBe(
    releaseFile
      .replace(RELEASE.buildkit, "v0.99.1")
      .replace(RELEASE.sum, "h1:new")
      .replace(`go: "${RELEASE.go}"`, 'go: "1.99.1"')
      .replace(`dockerfile: "${RELEASE.dockerfile}"`, 'dockerfile: "1.93.0"'),
  );
  expect(withImage(imageFile, "1.93.0")).toBe(
    imageFile.replace(`dockerfile:${RELEASE.dockerfile}`, "dockerfile:1.93.0"),
  );
});

test("a file without a place for the release is not written as if it had one", () => {
  expect(() => withRelease("export const RELEASE = {};\n", { buildkit: "v0.99.1" })).toThrow(UpdateError);
  expect(() => withImage("FROM scratch\n", "1.93.0")).toThrow(UpdateError);
});

test("the version is named as it is tagged, and the image's tag may be", () => {
  expect(readArguments(["v0.35.0"])).toEqual({ version: "v0.35.0", tag: undefined });
  expect(readArguments(["v0.35.1", "1.29.1"])).toEqual({ version: "v0.35.1", tag: "1.29.1" });
});

test.for([
  [],
  [""],
  ["0.34.2"],
  ["v0.34"],
  ["v1.0.0"],
  ["latest"],
  ["v0.34.2; true"],
  ["v0.34.2", "1.28"],
  ["v0.34.2", "latest"],
  ["v0.34.2", "1.28.0", "more"],
])("%j is refused with the command's form", (args) => {
  expect(() => readArguments(args)).toThrow(UpdateError);
  expect(() => readArguments(args)).toThrow("npm run conversion:update -- v0.35.0 [TAG]");
});

/** Runs the command with a `go` that prints this for `go mod download`; it must fail with one line, which is returned. */
async function refusedWith(downloaded: string): Promise<string> {
  const script = `#!/bin/sh\n[ "$1" = env ] && exec echo go1.99.0\ncat <<'END'\n${downloaded}\nEND\nexit 1\n`;
  writeFileSync(join(directory, "go"), script, { mode: 0o755 });
  const env = {
    ...process.env,
    PATH: `${directory}:${process.env["PATH"]}`,
    TLOG_LAB_DIR: join(directory, "lab"),
  };
  const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((ended) => {
    const args = ["scripts/conversion-update.ts", "v0.99.0"];
    execFile(process.execPath, args, { env }, (error, _, text) => ended({ code: error?.code, stderr: text }));
  });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^[^\n]+\n$/);
  expect(readFileSync("src/conversion/release.ts", "utf8")).toBe(releaseFile);
  return stderr;
}

test.for([
  "github.com/moby/buildkit@v0.99.0: invalid version: unknown revision v0.99.0",
  "github.com/moby/buildkit@v0.99.0: dial tcp: lookup go.example.org: no such host",
])("what go says of a module that it cannot get is told in one line: %s", async (reason) => {
  expect(await refusedWith(JSON.stringify({ Error: reason }))).toBe(
    `cannot download the Go module github.com/moby/buildkit@v0.99.0: ${reason}\n`,
  );
});
test("a go that answers with something else is told as such", async () => {
  expect(await refusedWith("nonsense")).toContain("github.com/moby/buildkit@v0.99.0: go says nothing");
});

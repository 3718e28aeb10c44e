// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { toldBuild } from "../../src/build/told-build.ts";

const V1 = { logs: [{ url: "https://rekor.example.org", api: 1 }] } as const;
const of = (options: Readonly<Record<string, string>>) => toldBuild(options, { policy: V1, hasLock: false });

describe("what names this frontend", () => {
  test.for([
    {
      options: { source: "r.example/us:1", "build-arg:BUILDKIT_SYNTAX": "other" },
      frontend: "r.example/us:1",
    },
    { options: { "build-arg:BUILDKIT_SYNTAX": "r.example/us --x" }, frontend: "r.example/us" },
    { options: { cmdline: "r.example/us --x" }, frontend: "r.example/us" },
  ])("$frontend", ({ options, frontend }) => {
    expect(of(options).frontend).toBe(frontend);
  });
});

describe("an option is repeated as one that a shell takes", () => {
  test.for<{ row: string; options: Readonly<Record<string, string>>; repeated: string[] }>([
    { row: "a target", options: { target: "app" }, repeated: ["--target app"] },
    {
      row: "platforms",
      options: { platform: "linux/amd64,linux/arm64" },
      repeated: ["--platform linux/amd64,linux/arm64"],
    },
    { row: "another file", options: { filename: "app.Dockerfile" }, repeated: ["-f app.Dockerfile"] },
    { row: "the usual file", options: { filename: "Dockerfile" }, repeated: [] },
    {
      row: "a build argument",
      options: { "build-arg:BASE": "alpine:3" },
      repeated: ["--build-arg BASE=alpine:3"],
    },
    {
      row: "a value that a shell would read",
      options: { "build-arg:A": "it's $(b) c" },
      repeated: [String.raw`--build-arg 'A=it'\''s $(b) c'`],
    },
    {
      row: "an image as context",
      options: { "context:app": "docker-image://alpine:3" },
      repeated: ["--build-context app=docker-image://alpine:3"],
    },
    {
      row: "commands of ours",
      options: { "build-arg:TLOG_LOCK": "check", "build-arg:TLOG_APPROVE": "a:1" },
      repeated: [],
    },
  ])("$row", ({ options, repeated }) => {
    expect(of(options)).toMatchObject({ options: repeated });
  });

  test("what sets the policy stands apart: an approval needs it too", () => {
    const own = { "build-arg:TLOG_OF_THE_DOCKERFILE": "1", "build-arg:A": "b" };
    expect(of({ "build-arg:TLOG_LOG_API": "2", ...own })).toMatchObject({
      policyArgs: ["--build-arg TLOG_LOG_API=2"],
      options: ["--build-arg TLOG_OF_THE_DOCKERFILE=1", "--build-arg A=b"],
    });
  });
});

test("a key that is trusted has several lines, and is said to be missing from an approval too", () => {
  const told = of({ "build-arg:TLOG_TRUST_KEY": "-----BEGIN PUBLIC KEY-----\nabc\n" });
  expect(told).toMatchObject({
    policyArgs: [],
    policyMissing: ["--build-arg TLOG_TRUST_KEY=…"],
    missing: [],
  });
});

test("a context that came from standard input cannot be had again by its address", () => {
  expect(of({ context: "http://buildkit-session/abc" })).toMatchObject({
    context: ".",
    missing: ["build context"],
  });
});

describe("what cannot be repeated is said, and not shown", () => {
  test.for<{ row: string; options: Readonly<Record<string, string>>; missing: string }>([
    { row: "a token", options: { "build-arg:NPM_TOKEN": "s3cret" }, missing: "--build-arg NPM_TOKEN=…" },
    {
      row: "a password",
      options: { "build-arg:db_password": "s3cret" },
      missing: "--build-arg db_password=…",
    },
    { row: "a key", options: { "build-arg:API_KEY": "s3cret" }, missing: "--build-arg API_KEY=…" },
    {
      row: "a proxy with credentials",
      options: { "build-arg:HTTP_PROXY": "http://me:s3cret@proxy.example:3128" },
      missing: "--build-arg HTTP_PROXY=…",
    },
    { row: "a long value", options: { "build-arg:A": "s3cret".repeat(40) }, missing: "--build-arg A=…" },
    { row: "a control character", options: { "build-arg:A": "s3cret\u001B[2J" }, missing: "--build-arg A=…" },
    {
      row: "a directory of the client's",
      options: { "context:src": "local:s3cret" },
      missing: "--build-context src=…",
    },
    { row: "an OCI layout", options: { "context:x": "oci-layout://s3cret" }, missing: "--build-context x=…" },
    {
      row: "another target of bake",
      options: { "context:base": "input:s3cret" },
      missing: 'context "base", another target of bake',
    },
    {
      row: "an address with a password",
      options: { "context:x": "https://me:s3cret@git.example/x.git" },
      missing: "--build-context x=…",
    },
    {
      row: "a remote context with a password",
      options: { context: "https://me:s3cret@git.example/x.git" },
      missing: "build context",
    },
    {
      row: "the directory of the file",
      options: { filename: "s3cret/app.Dockerfile".slice(7) },
      missing: "directory of -f, if it has one",
    },
  ])("$row", ({ options, missing }) => {
    const told = of(options);
    expect(told.missing).toEqual([missing]);
    expect(JSON.stringify(told)).not.toContain("s3cret");
  });
});

test("a remote context is the command's context", () => {
  expect(of({ context: "https://git.example/app.git#main" }).context).toBe(
    "'https://git.example/app.git#main'",
  );
  expect(of({}).context).toBe(".");
});

test("what decides where an approval is kept: a lock file, and whether the log that is written to has a search", () => {
  const v2 = { url: "https://log2025.example.org", api: 2 } as const;
  const policy = { logs: [v2, ...V1.logs] };
  expect(of({})).toMatchObject({ hasLock: false, isSearched: true });
  expect(toldBuild({}, { policy, hasLock: true })).toMatchObject({ hasLock: true, isSearched: false });
});

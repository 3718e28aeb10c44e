// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { stableId, tagDirectory } from "../../src/site/addresses.ts";

const NAMES = [
  "docker.io/library/alpine:3.16.0",
  "docker.io/library/alpine:_..",
  "docker.io/library/alpine:_..._..",
  "docker.io/library/con:nul",
  "docker.io/library/alpine:Latest",
  "docker.io/library/alpine:latest",
  "docker.io/library/alpine:LATEST",
  "LOCALHOST:5000/a/b:1",
  "[::1]:5000/a:1",
  `ghcr.io/${"a/".repeat(127)}a:${"x".repeat(128)}`,
  `ghcr.io/${"a/".repeat(127)}a:${"x".repeat(127)}y`,
  "ghcr.io/a-b/c:1",
  "ghcr.io/a/b-c:1",
  "ghcr.io/a__b/c:_.-",
];

test.for(NAMES)("%s has a directory that every file system takes", (name) => {
  const parts = tagDirectory(name).split("/");
  expect(parts).toEqual(["tags", expect.stringMatching(/^[0-9a-f]{2}$/), expect.any(String)]);
  const [, , last = ""] = parts;
  expect(last).toMatch(/^[a-z0-9][a-z0-9.-]*-[0-9a-f]{32}$/);
  expect(last).not.toContain("..");
  expect(last.length).toBeLessThanOrEqual(113);
});

test("no two tags share one, also where case does not count", () => {
  expect(new Set(NAMES.map((name) => tagDirectory(name).toLowerCase())).size).toBe(new Set(NAMES).size);
});

test("what is readable of a name is at the directory's beginning", () => {
  expect(tagDirectory("docker.io/library/alpine:3.16.0")).toMatch(/^tags\/06\/alpine-3\.16\.0-06c23e317fa0/);
});

test("an id is a UUID of version 8, the same for the same texts alone", () => {
  const id = stableId("moved", "docker.io/library/alpine:3.16.0", "1");
  expect(id).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(stableId("moved", "docker.io/library/alpine:3.16.0", "1")).toBe(id);
  expect(stableId("moved", "docker.io/library/alpine:3.16.01", "")).not.toBe(id);
});

// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { formatPlatform, formatWholePlatform, parsePlatform } from "../../src/dockerfile/platform.ts";

const LOCAL = parsePlatform("linux/arm64");

test.for([
  ["linux/amd64", "linux/amd64"],
  ["Linux/X86_64", "linux/amd64"],
  ["linux/x86-64/v1", "linux/amd64"],
  ["linux/amd64/v2", "linux/amd64/v2"],
  ["linux/arm64/v8", "linux/arm64"],
  ["linux/aarch64", "linux/arm64"],
  ["linux/arm64/9", "linux/arm64/v9"],
  ["linux/arm", "linux/arm/v7"],
  ["linux/arm/6", "linux/arm/v6"],
  ["linux/armhf", "linux/arm/v7"],
  ["linux/armel", "linux/arm/v6"],
  ["linux/i386", "linux/386"],
  ["linux/riscv64", "linux/riscv64"],
  ["macos/arm64", "darwin/arm64"],
  ["linux", "linux/arm64"],
  ["amd64", "linux/amd64"],
  ["windows(10.0.17763)/amd64", "windows(10.0.17763)/amd64"],
] as const)("%s is %s", ([text, want]) => {
  expect(formatWholePlatform(parsePlatform(text, LOCAL))).toBe(want);
});

test("the short form leaves the system's version out", () => {
  expect(formatPlatform(parsePlatform("windows(10.0.17763)/amd64"))).toBe("windows/amd64");
});

test.for([
  "",
  "/",
  "linux/",
  "linux//v7",
  "linux/amd64/v1/x",
  "vax",
  "li nux/amd64",
  "linux/*",
  "linux(1/amd64",
  "linux/amd64\n",
])("%j is no platform", (text) => {
  expect(() => parsePlatform(text, LOCAL)).toThrow(expect.objectContaining({ name: "PlatformError" }));
});

test("a system alone needs to know the builder", () => {
  expect(() => parsePlatform("linux")).toThrow('read platform "linux": it is not os/architecture[/variant]');
});

// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readFileSync("package.json", "utf8")) as Manifest;

/** What ships inside a security tool. A new name here is a decision; say in CONTRIBUTING why. */
const SHIPPED = [
  "@hono/node-server",
  "@sigstore/core",
  "@sigstore/protobuf-specs",
  "@sigstore/verify",
  "@tufjs/models",
  "dockerfile-ast",
  "hono",
  "ipaddr.js",
  "prom-client",
  "protobufjs",
  "valibot",
  "yaml",
];

test("only the packages that were decided on are shipped", () => {
  expect(Object.keys(manifest.dependencies).toSorted()).toEqual(SHIPPED.toSorted());
});

test.for([
  ...Object.entries(manifest.dependencies),
  ...Object.entries(manifest.devDependencies),
  ...Object.entries(manifest.optionalDependencies),
])("%s is fixed to one version", ([, version]) => {
  expect(version).toMatch(/^\d+\.\d+\.\d+$/);
});

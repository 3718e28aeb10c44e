// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import {
  canonicalReference,
  formatReference,
  parseReference,
  taggedName,
} from "../../src/image/reference.ts";
import { canonicalRegistry } from "../../src/image/registry.ts";

test.for([
  ["docker.io", "docker.io"],
  ["index.docker.io", "docker.io"],
  ["registry-1.docker.io", "docker.io"],
  ["Registry-1.Docker.IO:443", "docker.io"],
  ["docker.io:443", "docker.io"],
  ["docker.io:5000", "docker.io:5000"],
  ["ghcr.io", "ghcr.io"],
  ["GHCR.io", "ghcr.io"],
  ["ghcr.io:443", "ghcr.io"],
  ["ghcr.io:0443", "ghcr.io"],
  ["ghcr.io:05000", "ghcr.io:5000"],
  ["ghcr.io:80", "ghcr.io:80"],
  ["localhost:5000", "localhost:5000"],
  ["LOCALHOST:5000", "localhost:5000"],
  ["REGISTRY", "registry"],
  ["my_registry.example", "my_registry.example"],
  ["127.1:5000", "127.0.0.1:5000"],
  ["0x7f000001", "127.0.0.1"],
  ["[0:0:0:0:0:0:0:1]:5000", "[::1]:5000"],
  ["[FE80::1]", "[fe80::1]"],
  ["XN--BCHER-KVA.example", "xn--bcher-kva.example"],
  // No host of the URL standard, and still one name.
  ["Registry.example:99999", "registry.example:99999"],
] as const)("the registry %s is %s", ([written, canonical]) => {
  expect(canonicalRegistry(written)).toBe(canonical);
  expect(canonicalRegistry(canonical)).toBe(canonical);
});

test.for([
  ["GHCR.IO:443/acme/app:1", "ghcr.io/acme/app:1"],
  ["registry-1.docker.io/library/alpine:3", "docker.io/library/alpine:3"],
  ["registry-1.docker.io/alpine:3", "docker.io/library/alpine:3"],
  ["alpine:3", "docker.io/library/alpine:3"],
] as const)("the tag %s is recorded as %s, and asked for as it was written", ([written, canonical]) => {
  const reference = parseReference(written);
  expect(taggedName(reference)).toBe(canonical);
  expect(canonicalReference(reference)).toEqual(parseReference(canonical));
  if (written.includes("/")) expect(formatReference(reference)).toBe(written);
});

// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import {
  canonicalReference,
  formatReference,
  parseReference,
  taggedName,
} from "../../src/image/reference.ts";
import { canonicalRegistry, isLoopbackRegistry, isPublicRegistry } from "../../src/image/registry.ts";

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

test.for([
  "docker.io",
  "ghcr.io:443",
  "registry.example.org",
  "registry.example.org:5000",
  "my_registry.example.org",
  "8.8.8.8:5000",
  "[2a00:1450:4001::1]",
])("%s is of the public internet", (host) => {
  expect(isPublicRegistry(host)).toBe(true);
  expect(isLoopbackRegistry(host)).toBe(false);
});

test.for([
  "REGISTRY",
  "registry:5000",
  "registry.local",
  "registry.corp.internal",
  "Registry.ACME.Corp",
  "registry.svc",
  "registry.ns.svc.cluster.local:5000",
  "nas.lan",
  "router.home.arpa",
  "10.0.0.5:5000",
  "172.31.255.255",
  "192.168.1.1",
  "100.64.0.1",
  "169.254.169.254",
  "198.18.1.2:5000",
  "192.0.2.1",
  "0.0.0.0",
  "224.0.0.1",
  "255.255.255.255",
  "[fe80::1]:5000",
  "[fd00::1]",
  "[::ffff:10.0.0.1]",
  "[::]",
  "[2001:db8::1]",
  "0xa000005",
])("%s is not of the public internet", (host) => {
  expect(isPublicRegistry(host)).toBe(false);
  expect(isLoopbackRegistry(host)).toBe(false);
});

test.for([
  "localhost",
  "LOCALHOST:5000",
  "reg.localhost",
  "127.0.0.1:5000",
  "127.9.9.9",
  "[::1]:5000",
  "[::ffff:127.0.0.1]",
  "127.1",
  "2130706433",
])("%s is another place on each machine", (host) => {
  expect(isLoopbackRegistry(host)).toBe(true);
  expect(isPublicRegistry(host)).toBe(false);
});

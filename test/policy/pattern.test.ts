// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { areApart, covers, matches, parsePattern } from "../../src/policy/pattern.ts";

describe("a pattern matches", () => {
  test.for([
    ["alpine", "alpine", true],
    ["alpine", "alpine:3.16.0", true],
    ["alpine", "docker.io/library/alpine:3", true],
    ["alpine", "index.docker.io/library/alpine:3", true],
    ["alpine", "acme/alpine", false],
    ["alpine", "ghcr.io/library/alpine", false],
    ["alpine", "alpine2", false],
    ["alpine:3.16.0", "alpine:3.16.0", true],
    ["alpine:3.16.0", `alpine:3.16.0@sha256:${"a".repeat(64)}`, true],
    ["alpine:3.16.0", `alpine:3.16.0@sha512:${"a".repeat(128)}`, true],
    ["alpine:3.16.0", "alpine:3.16.00", false],
    ["alpine:3.16.0", "alpine:3x16y0", false],
    ["alpine:3.*", "alpine:3.16.0", true],
    ["alpine:3.*", "alpine:3", false],
    ["alpine:*", "alpine", true],
    ["alpine:?", "alpine:3", true],
    ["alpine:?", "alpine:33", false],
    ["alpine:latest", "alpine", true],
    ["alpine:LATEST", "alpine", false],
    ["docker.io/alpine", "alpine:3", true],
    ["index.docker.io/alpine", "alpine:3", true],
    ["docker.io/*", "alpine:3", true],
    ["docker.io/*", "acme/app", false],
    ["docker.io/library/*", "alpine:3", true],
    ["docker.io/library/n*:*-alpine*", "node:22-alpine3.20", true],
    ["docker.io/library/n*:*-alpine*", "python:3-alpine3.20", false],
    ["acme/*", "acme/app:1", true],
    ["acme/*", "acme/team/app:1", false],
    ["acme/*", "ghcr.io/acme/app:1", false],
    ["acme/**", "acme/team/app:1", true],
    ["acme/**", "acme/app", true],
    ["ghcr.io/acme/app-?", "ghcr.io/acme/app-1:x", true],
    ["ghcr.io/acme/app-?", "ghcr.io/acme/app-12:x", false],
    ["ghcr.io/acme/**/app", "ghcr.io/acme/team/one/app:2", true],
    ["ghcr.io/acme/**/app", "ghcr.io/acme/app:2", false],
    ["alpine", "registry-1.docker.io/library/alpine:3", true],
    ["registry.hub.docker.com/library/alpine", "alpine:3", true],
    ["ghcr.io/acme/**", "GHCR.io:443/acme/app:1", true],
    ["ghcr.io:443/acme/**", "ghcr.io/acme/app:1", true],
    ["ghcr.io/acme/**", "ghcr.io:444/acme/app:1", false],
    ["GHCR.io:443/acme/*", "ghcr.io/acme/app:1", true],
    ["registry-1.docker.io/**", "alpine:3", true],
    ["registry-1.docker.io/acme/app", "acme/app:1", true],
    ["index.docker.io/alpine:3", "registry.hub.docker.com/library/alpine:3", true],
    ["*.Example.org:443/**", "registry.example.org/acme/app", true],
    ["*.com/**", "registry.example.com/acme/app", true],
    ["0x7f.1/app", "127.0.0.1/app", true],
    ["**", "alpine", true],
    ["**", "registry.local:5000/a/b/c:d", true],
    ["**:dev", "ghcr.io/acme/app:dev", true],
    ["**:dev", "ghcr.io/acme/app:devel", false],
    ["**:*-dev", "alpine:3-dev", true],
    ["**/app", "ghcr.io/acme/app:1", true],
    ["**/library/*", "alpine", true],
    ["*.example.org/**", "registry.example.org/acme/app", true],
    ["*.example.org/**", "example.org/acme/app", false],
    ["*.example.org/**", "registry.example.org.evil.example/acme/app", false],
    ["registry.local:5000/**", "registry.local:5000/app:1", true],
    ["registry.local:5000/**", "registry.local/app:1", false],
    ["registry.local:*/app", "registry.local:5000/app:1", true],
    ["localhost/app", "localhost/app", true],
    ["localhost:5000/app", "localhost:5000/app:1.0", true],
    ["[::1]:5000/app", "[::1]:5000/app:1.0", true],
    ["Registry.Local/app", "registry.local/app", true],
    ["registry.local/app", "REGISTRY.local/app", true],
    ["docker.io/library/*", "DOCKER.IO/library/alpine", true],
    [`**/${"a*".repeat(100)}b`, `ghcr.io/${"a".repeat(200)}:1`, false],
  ] as const)("%s against %s: %s", ([text, image, want]) => {
    expect(matches(parsePattern(text), parseReference(image))).toBe(want);
  });

  test("a name of 300 characters, as references may be", () => {
    const image = parseReference(`ghcr.io/${"a".repeat(200)}:${"b".repeat(90)}`);
    expect(matches(parsePattern("ghcr.io/a*:b*"), image)).toBe(true);
    expect(matches(parsePattern("ghcr.io/a*:b*c"), image)).toBe(false);
  });

  test("an image without a tag, when it is for every tag", () => {
    const { tag: _, ...image } = parseReference("alpine");
    expect(matches(parsePattern("alpine"), image)).toBe(true);
    expect(matches(parsePattern("alpine:latest"), image)).toBe(false);
  });
});

describe("a pattern is refused", () => {
  test.for([
    ["", 'it is empty; "**" matches every image'],
    ["*", 'write "docker.io/library/*" or "**"'],
    ["node*", 'write "docker.io/library/node*" or "**/node*"'],
    ["*:dev", 'write "docker.io/library/*:dev" or "**:dev"'],
    ["*/app", 'it could be meant for Docker Hub or for any registry; write "docker.io/*/app" or "**/*/app"'],
    ["ghcr.io/acme**/app", '"**" stands for whole parts between slashes'],
    ["a***b", '"**" stands for whole parts'],
    ["alpine:**", 'in a tag "*" is enough'],
    ["alpine:", 'nothing follows the ":"'],
    ["alpine:a:b", "the tag has a colon"],
    ["alpine@sha256:abc", "it has a digest, which cannot move"],
    ["/alpine", "an empty part"],
    ["acme//app", "an empty part"],
    ["acme/", "an empty part"],
    ["https://ghcr.io/acme", 'write the name alone, without "https://"'],
    ["^alpine$", "it is not a regular expression"],
    ["alpine:3\\.16", "it is not a regular expression"],
    ["(alpine|debian)", "it is not a regular expression"],
    ["alpine:3.+", "it is not a regular expression"],
    ["alpine:3.{1,2}", "it is not a regular expression"],
    ["acme/[a-z]", '"[a-z]" is in no image\'s path'],
    ["alpine:[0-9]", "the tag has a colon or a bracket"],
    ["Alpine", '"Alpine" is in no image\'s path: paths are lower case'],
    ["ghcr.io/Acme/app", '"Acme" is in no image\'s path'],
    ["ghcr.io/acme:1/app", '"acme:1" is in no image\'s path'],
    ["acme app", "it has a blank"],
    ["acme/äpp", 'no image\'s name has "ä" in it'],
    ["аlpine", 'no image\'s name has "а" in it'],
    ["!alpine", 'no image\'s name has "!" in it'],
    [
      "registry-?.docker.io/**",
      '"registry-?.docker.io" would not match "registry-1.docker.io", whose images go by "docker.io"; write that',
    ],
    ["*.docker.io/**", 'whose images go by "docker.io"; write that'],
    ["a".repeat(601), "longer than 600 characters"],
  ] as const)("%s", ([text, why]) => {
    expect(() => parsePattern(text)).toThrow(why);
  });
});

describe("a pattern covers another", () => {
  test.for([
    ["**", "alpine", true],
    ["**", "**", true],
    ["**", "**:dev", true],
    ["**:dev", "**", false],
    ["alpine", "alpine:3.*", true],
    ["alpine:3.*", "alpine", false],
    ["alpine:3.*", "alpine:3.1*", true],
    ["alpine:3.1*", "alpine:3.*", false],
    ["alpine:?", "alpine:3", true],
    ["alpine:?", "alpine:*", false],
    ["alpine:?*", "alpine:??", true],
    ["docker.io/library/*", "alpine", true],
    ["docker.io/library/*", "docker.io/library/**", false],
    ["docker.io/**", "docker.io/library/**", true],
    ["ghcr.io/acme/**", "ghcr.io/acme/*/app", true],
    ["ghcr.io/*/app", "ghcr.io/**/app", false],
    ["**/app", "ghcr.io/acme/app", true],
    ["ghcr.io/acme/app", "ghcr.io/acme/apps", false],
  ] as const)("%s covers %s: %s", ([outer, inner, want]) => {
    expect(covers(parsePattern(outer), parsePattern(inner))).toBe(want);
  });
});

describe("two patterns have nothing in common", () => {
  test.for([
    ["alpine:3", "alpine:4", true],
    ["alpine:3", "alpine", false],
    ["alpine:3.*", "alpine:4.*", false],
    ["alpine", "debian", true],
    ["alpine", "acme/app", true],
    ["alpine", "docker.io/library/**", false],
    ["ghcr.io/**", "docker.io/**", true],
    ["**/app", "ghcr.io/acme/tool", false],
    ["ghcr.io/*/app", "ghcr.io/acme/*", false],
    ["ghcr.io/acme", "ghcr.io/acme/app", true],
    ["ghcr.io/acme/**", "ghcr.io/acme", false],
    ["ghcr.io/acme/**/x", "ghcr.io/team/y", true],
  ] as const)("%s and %s: %s", ([one, other, want]) => {
    expect(areApart(parsePattern(one), parsePattern(other))).toBe(want);
    expect(areApart(parsePattern(other), parsePattern(one))).toBe(want);
  });
});

// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import {
  familiarName,
  formatReference,
  ImageReferenceError,
  parseReference,
  taggedName,
} from "../../src/image/reference.ts";

const SHA256 = `sha256:${"ab".repeat(32)}`;
const SHA512 = `sha512:${"cd".repeat(64)}`;
const LONGEST_PATH = `a/${"b".repeat(253)}`;

describe("a reference as people write it is read as Docker reads it", () => {
  test.for([
    ["alpine", "docker.io/library/alpine:latest"],
    ["alpine:3.16.0", "docker.io/library/alpine:3.16.0"],
    ["library/alpine", "docker.io/library/alpine:latest"],
    ["docker.io/alpine", "docker.io/library/alpine:latest"],
    ["docker.io/library/alpine:3.16.0", "docker.io/library/alpine:3.16.0"],
    ["index.docker.io/alpine:1", "docker.io/library/alpine:1"],
    ["index.docker.io/acme/app:1", "docker.io/acme/app:1"],
    ["acme/app", "docker.io/acme/app:latest"],
    ["acme/team/app:1", "docker.io/acme/team/app:1"],
    ["localhost/app", "localhost/app:latest"],
    ["localhost:5000/base:1.0", "localhost:5000/base:1.0"],
    // Without a slash there is no registry, however much it looks like one.
    ["localhost:5000", "docker.io/library/localhost:5000"],
    ["127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c"],
    ["[::1]:5000/app:1", "[::1]:5000/app:1"],
    ["[fe80::1]/app:1", "[fe80::1]/app:1"],
    ["ghcr.io/acme/app:v1", "ghcr.io/acme/app:v1"],
    ["registry.example.org/alpine", "registry.example.org/alpine:latest"],
    ["Registry.Example.org/app:1", "Registry.Example.org/app:1"],
    ["REGISTRY/app:1", "REGISTRY/app:1"],
    ["my_registry.example/app:1", "my_registry.example/app:1"],
    ["docker.io:443/library/alpine:1", "docker.io:443/library/alpine:1"],
    ["a/b__c-d--e.f_g:1", "docker.io/a/b__c-d--e.f_g:1"],
    ["app:_A.b-C", "docker.io/library/app:_A.b-C"],
    [`app:${"t".repeat(128)}`, `docker.io/library/app:${"t".repeat(128)}`],
    [`ghcr.io/${LONGEST_PATH}`, `ghcr.io/${LONGEST_PATH}:latest`],
    [`alpine@${SHA256}`, `docker.io/library/alpine@${SHA256}`],
    [`alpine:3.16.0@${SHA256}`, `docker.io/library/alpine:3.16.0@${SHA256}`],
    [`localhost:5000/base:1.0@${SHA512}`, `localhost:5000/base:1.0@${SHA512}`],
    ["ab".repeat(31), `docker.io/library/${"ab".repeat(31)}:latest`],
  ] as const)("%s is %s", ([text, canonical]) => {
    const reference = parseReference(text);
    expect(formatReference(reference)).toBe(canonical);
    expect(parseReference(canonical)).toEqual(reference);
  });

  test("tag and digest are both kept, and only a missing tag without a digest becomes latest", () => {
    const name = { registry: "docker.io", repository: "library/alpine" };
    expect(parseReference(`alpine:3.16@${SHA256}`)).toEqual({ ...name, tag: "3.16", digest: SHA256 });
    expect(parseReference(`alpine@${SHA256}`)).toEqual({ ...name, digest: SHA256 });
    expect(parseReference("alpine")).toEqual({ ...name, tag: "latest" });
  });
});

describe("what names no image is refused with the reason", () => {
  test.for([
    { row: "nothing", text: "", code: "empty", says: "it is empty" },
    { row: "an image id", text: "ab".repeat(32), code: "image-id", says: "an image's id" },
    {
      row: "an upper-case repository",
      text: "acme/App:1",
      code: "bad-repository",
      says: "must be lower case",
    },
    { row: "an upper-case name", text: "Alpine", code: "bad-repository", says: "must be lower case" },
    { row: "a repository beginning with a dash", text: "acme/-a", code: "bad-repository", says: '"acme/-a"' },
    { row: "three underscores", text: "a___b", code: "bad-repository", says: '"a___b"' },
    { row: "two dots", text: "ghcr.io/a..b", code: "bad-repository", says: '"a..b"' },
    { row: "an empty component", text: "ghcr.io/a//b", code: "bad-repository", says: '"a//b"' },
    { row: "a slash at the end", text: "ghcr.io/a/", code: "bad-repository", says: '"a/"' },
    { row: "no repository", text: "ghcr.io/", code: "bad-repository", says: '""' },
    { row: "a tag alone", text: ":1", code: "bad-repository", says: '""' },
    { row: "a digest alone", text: `@${SHA256}`, code: "bad-repository", says: '""' },
    { row: "a space", text: "alpine 3", code: "bad-repository", says: '"alpine 3"' },
    { row: "a line break", text: "alpine\n", code: "bad-repository", says: String.raw`"alpine\n"` },
    { row: "a URL", text: "https://ghcr.io/a", code: "bad-registry", says: '"https:"' },
    { row: "a host ending in a dash", text: "a-.example/b", code: "bad-registry", says: '"a-.example"' },
    { row: "a port that is no number", text: "ghcr.io:x/b", code: "bad-registry", says: '"ghcr.io:x"' },
    { row: "an underscore before a port", text: "a_b:5000/c", code: "bad-registry", says: '"a_b:5000"' },
    { row: "an empty tag", text: "alpine:", code: "bad-tag", says: '""' },
    { row: "a tag beginning with a dot", text: "alpine:.1", code: "bad-tag", says: '".1"' },
    { row: "a slash in the tag", text: "a/b:c/d", code: "bad-tag", says: '"c/d"' },
    { row: "a tag that is too long", text: `a:${"t".repeat(129)}`, code: "bad-tag", says: "at most 128" },
    { row: "a letter that is not ASCII", text: "alpine:ä", code: "bad-tag", says: '"ä"' },
    { row: "an empty digest", text: "alpine@", code: "bad-digest", says: 'follows "@"' },
    { row: "a short digest", text: "alpine@sha256:abcd", code: "bad-digest", says: 'follows "@"' },
    {
      row: "an upper-case digest",
      text: `a@sha256:${"AB".repeat(32)}`,
      code: "bad-digest",
      says: 'follows "@"',
    },
    {
      row: "an unknown algorithm",
      text: `a@md5:${"ab".repeat(16)}`,
      code: "bad-digest",
      says: 'follows "@"',
    },
    { row: "two digests", text: `a@${SHA256}@${SHA256}`, code: "bad-digest", says: 'follows "@"' },
    { row: "a long path", text: `ghcr.io/${LONGEST_PATH}b`, code: "too-long", says: "longer than 255" },
    {
      row: "a path that is long with library/",
      text: "b".repeat(248),
      code: "too-long",
      says: "longer than 255",
    },
    { row: "a long registry", text: `${"a.".repeat(128)}b/c`, code: "too-long", says: "longer than 255" },
    { row: "a huge text", text: "a".repeat(1_000_000), code: "too-long", says: "longer than" },
  ] as const)("$row", ({ text, code, says }) => {
    const error = catchError(() => parseReference(text));
    expect(error).toBeInstanceOf(ImageReferenceError);
    expect(error).toMatchObject({ name: "ImageReferenceError", code });
    expect(error.message).toContain(says);
    expect(error.message.length).toBeLessThan(1000);
  });
});

describe("the tag's name", () => {
  test("is canonical and leaves the digest out", () => {
    expect(taggedName(parseReference(`alpine:3.16.0@${SHA256}`))).toBe("docker.io/library/alpine:3.16.0");
  });

  test("does not exist for a reference by digest alone", () => {
    expect(() => taggedName(parseReference(`alpine@${SHA256}`))).toThrow(
      expect.objectContaining({ code: "no-tag" }),
    );
  });
});

describe("the familiar name is the key under which BuildKit looks for a named context", () => {
  test.for([
    ["alpine:3.16", "alpine:3.16"],
    ["docker.io/library/alpine:3.16", "alpine:3.16"],
    ["alpine", "alpine"],
    ["alpine:latest", "alpine"],
    ["docker.io/library/alpine", "alpine"],
    ["localhost:5000/base:1.0", "localhost:5000/base:1.0"],
    [`alpine:3.16@${SHA256}`, `alpine:3.16@${SHA256}`],
    [`alpine@${SHA256}`, `alpine@${SHA256}`],
    // Only a tag at the very end is trimmed.
    [`alpine:latest@${SHA256}`, `alpine:latest@${SHA256}`],
    ["acme/app:latest", "acme/app"],
    ["docker.io/library/distros/ubuntu:1", "library/distros/ubuntu:1"],
    ["ghcr.io/library/app:1", "ghcr.io/library/app:1"],
    ["localhost:5000/base", "localhost:5000/base"],
  ] as const)("%s is %s", ([text, familiar]) => {
    expect(familiarName(parseReference(text))).toBe(familiar);
  });
});

function catchError(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("nothing was thrown");
}

// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { pb } from "../../gen/gateway.js";
import { formatReference } from "../../src/image/reference.ts";
import { DefinitionError, readDefinition } from "../../src/llb/definition.ts";
import { imageSources, platformName } from "../../src/llb/image-sources.ts";
import { AMD64, ARM64, digestOf, run, sampleLlb, source } from "./sample-llb.ts";

const DIGEST = digestOf("aa");
const ALPINE = `docker-image://docker.io/library/alpine:3.16.0@${DIGEST}`;
const DOCKERFILE = { filename: "Dockerfile", text: "FROM alpine:3.16.0\nRUN --mount=from=busybox true\n" };

/** The sources of one definition that asks for this identifier. */
function sourcesOf(identifier: string): ReturnType<typeof imageSources> {
  const llb = sampleLlb(DOCKERFILE);
  return imageSources([readDefinition(llb.endAt(llb.add(source(identifier))))]);
}

describe("an image source is what BuildKit would fetch", () => {
  test.for([
    { row: "tag and digest", identifier: ALPINE, reference: `docker.io/library/alpine:3.16.0@${DIGEST}` },
    {
      row: "a digest alone: no tag is made up",
      identifier: `docker-image://docker.io/library/alpine@${DIGEST}`,
      reference: `docker.io/library/alpine@${DIGEST}`,
    },
    {
      row: "a tag alone",
      identifier: "docker-image://localhost:5000/base:1.0",
      reference: "localhost:5000/base:1.0",
    },
    {
      row: "a short name",
      identifier: "docker-image://alpine",
      reference: "docker.io/library/alpine:latest",
    },
  ])("$row", ({ identifier, reference }) => {
    expect(sourcesOf(identifier).map((each) => formatReference(each.reference))).toEqual([reference]);
  });
});

test.for([
  "local://context",
  "git://github.com/a/b.git#main",
  "http://example.org/alpine:3.16.0",
  "https://example.org/alpine:3.16.0",
  `oci-layout://docker.io/library/x@${DIGEST}`,
])("%s names no tag", (identifier) => {
  expect(sourcesOf(identifier)).toEqual([]);
});

describe("a source that could be an image and cannot be judged is refused", () => {
  test.for([
    { row: "a blob of an image", identifier: `docker-image+blob://docker.io/library/alpine@${DIGEST}` },
    { row: "a blob of a layout", identifier: `oci-layout+blob://x@${DIGEST}` },
    { row: "a scheme in capitals", identifier: "DOCKER-IMAGE://alpine" },
    { row: "an unknown scheme", identifier: "ftp://example.org/alpine" },
    { row: "no scheme", identifier: "alpine" },
    { row: "no scheme, and nearly the name of one", identifier: "locals" },
    { row: "a scheme without its slashes", identifier: "docker-image:alpine" },
    { row: "nothing", identifier: "" },
  ])("$row", ({ identifier }) => {
    expect(() => sourcesOf(identifier)).toThrow(DefinitionError);
    expect(() => sourcesOf(identifier)).toThrow(
      `the build has a source of an unknown kind, which cannot be judged: "${identifier}"`,
    );
  });

  test.for([
    { row: "no name", identifier: "docker-image://" },
    { row: "a digest cut short", identifier: `docker-image://alpine@${DIGEST.slice(0, -1)}` },
    { row: "an image id", identifier: `docker-image://${"a".repeat(64)}` },
  ])("an image source with $row", ({ identifier }) => {
    expect(() => sourcesOf(identifier)).toThrow(DefinitionError);
    expect(() => sourcesOf(identifier)).toThrow("the build has an image source that is no image reference");
  });

  test("and the message cannot move the cursor or fill the terminal", () => {
    const message = messageOf(() => sourcesOf(`ftp://\u001B[2J${"x".repeat(10_000)}`));
    expect(message).toContain(String.raw`ftp://\u001b[2J`);
    expect(message.length).toBeLessThan(400);
  });
});

function messageOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error("nothing was thrown");
}

test("an image that is asked for once without a platform is for nobody knows which", () => {
  const llb = sampleLlb(DOCKERFILE);
  const without: pb.Op.$Properties = { source: { identifier: ALPINE } };
  const [image] = imageSources([
    readDefinition(llb.endAt(llb.add(run("both", [llb.add(source(ALPINE)), llb.add(without)])))),
  ]);
  expect(image?.platforms).toEqual([]);
});

test("one image in two results is one image, with the platforms and lines of both", () => {
  const one = sampleLlb(DOCKERFILE);
  const other = sampleLlb(DOCKERFILE);
  const definitions = [
    one.endAt(one.add(source(ALPINE, AMD64), [[1, 1]])),
    other.endAt(
      other.add(source(ALPINE, ARM64), [
        [1, 1],
        [3, 4],
      ]),
    ),
  ].map(readDefinition);
  expect(imageSources(definitions)).toMatchObject([
    {
      platforms: ["linux/amd64", "linux/arm64/v8"],
      locations: [
        { start: 1, end: 1, filename: "Dockerfile", language: "Dockerfile" },
        { start: 1, end: 4 },
      ],
    },
  ]);
});

test("lines asked for by several stages are all kept, each once", () => {
  const llb = sampleLlb(DOCKERFILE);
  const base = llb.add(source(ALPINE), [[1, 1]]);
  llb.add(source(ALPINE), [[5, 5]]);
  llb.add(source(ALPINE), [[1, 1]]);
  const [image] = imageSources([readDefinition(llb.endAt(base))]);
  expect(image?.locations.map(({ start, end }) => [start, end])).toEqual([
    [1, 1],
    [5, 5],
  ]);
});

test("two digests of one tag are two images", () => {
  const llb = sampleLlb(DOCKERFILE);
  const one = llb.add(source(ALPINE));
  const other = llb.add(source(ALPINE.replaceAll("aa", "bb")));
  expect(imageSources([readDefinition(llb.endAt(llb.add(run("x", [one, other]))))])).toHaveLength(2);
});

test("an image that only RUN --mount uses is asked for by the RUN's line", () => {
  const llb = sampleLlb(DOCKERFILE);
  const base = llb.add(source(ALPINE), [[1, 1]]);
  const mounted = llb.add(source("docker-image://busybox"));
  const end = llb.endAt(llb.add(run("true", [base, mounted]), [[2, 2]]));
  expect(imageSources([readDefinition(end)])).toMatchObject([
    { reference: { repository: "library/alpine" }, locations: [{ start: 1, end: 1 }] },
    { reference: { repository: "library/busybox" }, locations: [{ start: 2, end: 2 }] },
  ]);
});

test("an image without any line is still an image", () => {
  expect(sourcesOf(ALPINE)).toMatchObject([{ locations: [] }]);
});

describe("a source map that is wrong costs lines, never an image", () => {
  const op = pb.Op.encode(source(ALPINE)).finish();
  const llb = sampleLlb(DOCKERFILE);
  const digest = llb.add(source(ALPINE));
  test.for([
    { row: "a file that is not there", location: { sourceIndex: 7, ranges: [{ start: { line: 1 } }] } },
    { row: "no range", location: { sourceIndex: 0, ranges: [] } },
    { row: "a negative index", location: { sourceIndex: -1, ranges: [{ start: { line: 1 } }] } },
  ])("$row", ({ location }) => {
    const bytes = pb.Definition.encode({
      def: [op],
      Source: { infos: [{ data: Buffer.from("x") }], locations: { [digest]: { locations: [location] } } },
    }).finish();
    expect(imageSources([readDefinition(bytes)])).toMatchObject([{ locations: [] }]);
  });
});

test.for([
  { platform: AMD64, name: "linux/amd64" },
  { platform: ARM64, name: "linux/arm64/v8" },
  { platform: { OS: "windows", Architecture: "amd64", OSVersion: "10.0.1" }, name: "windows/amd64" },
  { platform: {}, name: "" },
])('a platform is called "$name"', ({ platform, name }) => {
  expect(platformName(platform)).toBe(name);
});

// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { baseImages, type BuildInputs } from "../../src/dockerfile/base-images.ts";
import { formatReference } from "../../src/image/reference.ts";

const INPUTS: BuildInputs = {
  buildArgs: {},
  targetPlatforms: [],
  buildPlatform: "linux/amd64",
  contextNames: [],
};
const DIGEST = `sha256:${"ab".repeat(32)}`;

/** The images in short: `name platform lines`, and `line: reason` for what is unknown. */
function inShort(text: string, inputs: Partial<BuildInputs> = {}): { images: string[]; unknown: string[] } {
  const { images, unknown } = baseImages(text, { ...INPUTS, ...inputs });
  return {
    images: images.map(
      ({ reference, platform, lines }) =>
        `${formatReference(reference).replace("docker.io/library/", "")} ${platform} ${lines.map(({ start }) => start).join()}`,
    ),
    unknown: unknown.map(({ line, expression, reason }) => `${line} ${expression}: ${reason}`),
  };
}

const AMD = "linux/amd64";

test.for<{ row: string; text: string; inputs?: Partial<BuildInputs>; images: string[] }>([
  { row: "an image", text: "FROM alpine:3.16\n", images: [`alpine:3.16 ${AMD} 1`] },
  { row: "an image without a tag", text: "FROM alpine\n", images: [`alpine:latest ${AMD} 1`] },
  {
    row: "an image with tag and digest",
    text: `FROM alpine:3@${DIGEST}\n`,
    images: [`alpine:3@${DIGEST} ${AMD} 1`],
  },
  { row: "one image at two lines", text: "FROM a\nFROM a:latest\n", images: [`a:latest ${AMD} 1,2`] },
  { row: "nothing for scratch", text: "FROM scratch\n", images: [] },
  {
    row: "an image for Scratch, spelt as no image can be",
    text: "FROM x/scratch\n",
    images: [`docker.io/x/scratch:latest ${AMD} 1`],
  },
  {
    row: "no image for an earlier stage",
    text: "FROM a AS base\nFROM base\nFROM BASE AS c\n",
    images: [`a:latest ${AMD} 1`],
  },
  {
    row: "an image that has the name of a later stage",
    text: "FROM base\nFROM a AS base\n",
    images: [`base:latest ${AMD} 1`, `a:latest ${AMD} 2`],
  },
  {
    row: "an image that has its own stage's name",
    text: "FROM alpine AS alpine\nFROM alpine\n",
    images: [`alpine:latest ${AMD} 1`],
  },
  {
    row: "an image with a tag, though a stage has its name",
    text: "FROM a AS base\nFROM base:latest\n",
    images: [`a:latest ${AMD} 1`, `base:latest ${AMD} 2`],
  },
  {
    row: "an image named like a number, which is no stage here",
    text: "FROM a\nFROM 0\n",
    images: [`a:latest ${AMD} 1`, `0:latest ${AMD} 2`],
  },
  { row: "an ARG's default", text: "ARG V=3.16\nFROM alpine:$V\n", images: [`alpine:3.16 ${AMD} 2`] },
  {
    row: "an ARG's default in quotes",
    text: `ARG V="3.16" W='al'\nFROM "\${W}pine":$V\n`,
    images: [`alpine:3.16 ${AMD} 2`],
  },
  {
    row: "a build argument for an ARG with a default",
    text: "ARG V=3.16\nFROM alpine:$V\n",
    inputs: { buildArgs: { V: "3.17" } },
    images: [`alpine:3.17 ${AMD} 2`],
  },
  {
    row: "a build argument for an ARG without one",
    text: "ARG V\nFROM alpine:${V:-1}\n",
    inputs: { buildArgs: { V: "3.17" } },
    images: [`alpine:3.17 ${AMD} 2`],
  },
  {
    row: "no build argument that no ARG asks for",
    text: "FROM alpine:${V:-1}\n",
    inputs: { buildArgs: { V: "3.17" } },
    images: [`alpine:1 ${AMD} 1`],
  },
  {
    row: "no ARG of a stage",
    text: "FROM a AS b\nARG V=2\nFROM alpine:${V:-1}\n",
    images: [`a:latest ${AMD} 1`, `alpine:1 ${AMD} 3`],
  },
  {
    row: "a chain of ARGs",
    text: "ARG A=al\nARG B=${A}pine C=3\nARG D=$B:$C.16\nFROM $D\n",
    images: [`alpine:3.16 ${AMD} 4`],
  },
  {
    row: "a chain of which a build argument sets one",
    text: "ARG A=al\nARG B=${A}pine\nFROM $B\n",
    inputs: { buildArgs: { A: "x" } },
    images: [`xpine:latest ${AMD} 3`],
  },
  { row: "an ARG that adds to itself", text: "ARG V=1\nARG V=$V.2\nFROM a:$V\n", images: [`a:1.2 ${AMD} 3`] },
  {
    row: "an ARG without value, which keeps the earlier one",
    text: "ARG V=1\nARG V\nFROM a:$V\n",
    images: [`a:1 ${AMD} 3`],
  },
  {
    row: "an ARG of a platform part, which keeps its value",
    text: "ARG TARGETARCH\nFROM a:$TARGETARCH\n",
    images: [`a:amd64 ${AMD} 2`],
  },
  {
    row: "an ARG that replaces a platform part",
    text: "ARG TARGETARCH=vax\nFROM a:$TARGETARCH\n",
    images: [`a:vax ${AMD} 2`],
  },
  {
    row: "a build argument that replaces a platform part",
    text: "FROM a:$TARGETARCH\n",
    inputs: { buildArgs: { TARGETARCH: "vax" } },
    images: [`a:vax ${AMD} 1`],
  },
  {
    row: "the target stage's name",
    text: "FROM a:$TARGETSTAGE AS x\nFROM x AS last\n",
    images: [`a:last ${AMD} 1`],
  },
  {
    row: "the target stage's name when another is built",
    text: "FROM a:$TARGETSTAGE AS x\nFROM x AS last\n",
    inputs: { target: "x" },
    images: [`a:x ${AMD} 1`],
  },
  {
    row: "the target stage's name when it has none",
    text: "FROM a:$TARGETSTAGE\n",
    images: [`a:default ${AMD} 1`],
  },
  {
    row: "a constant platform",
    text: "FROM --platform=linux/arm64/v8 a\n",
    images: ["a:latest linux/arm64 1"],
  },
  {
    row: "an architecture alone as platform",
    text: "FROM --platform=aarch64 a\n",
    images: ["a:latest linux/arm64 1"],
  },
  {
    row: "an image for each target platform",
    text: "FROM img-$TARGETARCH\n",
    inputs: { targetPlatforms: ["linux/amd64", "linux/arm64"] },
    images: ["img-amd64:latest linux/amd64 1", "img-arm64:latest linux/arm64 1"],
  },
  {
    row: "one image for several platforms, once for each",
    text: "FROM a\n",
    inputs: { targetPlatforms: ["linux/amd64", "linux/arm/v7"] },
    images: ["a:latest linux/amd64 1", "a:latest linux/arm/v7 1"],
  },
  {
    row: "the builder's platform, once for all targets",
    text: "FROM --platform=$BUILDPLATFORM a\n",
    inputs: { targetPlatforms: ["linux/arm64", "linux/s390x"] },
    images: ["a:latest linux/amd64 1"],
  },
  {
    row: "variants and system versions",
    text: "FROM a:$TARGETVARIANT-$TARGETOS\nFROM b:x$TARGETOSVERSION\n",
    inputs: { targetPlatforms: ["linux/arm"], buildPlatform: "linux/amd64" },
    images: ["a:v7-linux linux/arm/v7 1", "b:x linux/arm/v7 2"],
  },
  {
    row: "Windows with its version",
    text: "FROM a:$TARGETOSVERSION\n",
    inputs: { targetPlatforms: ["windows(10.0.17763.1)/amd64"] },
    images: ["a:10.0.17763.1 windows(10.0.17763.1)/amd64 1"],
  },
  {
    row: "a whole number as time of the sources",
    text: "ARG SOURCE_DATE_EPOCH=17\nFROM a:$SOURCE_DATE_EPOCH\n",
    images: [`a:17 ${AMD} 2`],
  },
])("finds $row", ({ text, inputs, images }) => {
  expect(inShort(text, inputs)).toEqual({ images, unknown: [] });
});

test.for<{ row: string; text: string; contexts: string[]; images: string[] }>([
  {
    row: "the image's short name",
    text: "FROM docker.io/library/alpine:3\n",
    contexts: ["alpine:3"],
    images: [],
  },
  { row: "the short name without latest", text: "FROM alpine\n", contexts: ["alpine"], images: [] },
  {
    row: "the name with latest, which BuildKit never looks up",
    text: "FROM alpine\n",
    contexts: ["alpine:latest"],
    images: [`alpine:latest ${AMD} 1`],
  },
  {
    row: "the canonical name, which BuildKit never looks up",
    text: "FROM alpine:3\n",
    contexts: ["docker.io/library/alpine:3"],
    images: [`alpine:3 ${AMD} 1`],
  },
  { row: "the image for this platform", text: "FROM alpine:3\n", contexts: [`alpine:3::${AMD}`], images: [] },
  {
    row: "the image for another platform",
    text: "FROM alpine:3\n",
    contexts: ["alpine:3::linux/arm64"],
    images: [`alpine:3 ${AMD} 1`],
  },
  { row: "the stage's own name", text: "FROM alpine:3 AS base\n", contexts: ["base"], images: [] },
  {
    row: "the stage's own name on its own platform",
    text: "FROM --platform=linux/arm64 alpine:3 AS base\n",
    contexts: ["base::linux/arm64"],
    images: [],
  },
  {
    row: "the build context's own name",
    text: "FROM alpine:3 AS context\n",
    contexts: ["context"],
    images: [`alpine:3 ${AMD} 1`],
  },
])("looks for named contexts as BuildKit does: $row", ({ text, contexts, images }) => {
  expect(inShort(text, { contextNames: contexts })).toEqual({ images, unknown: [] });
});

test.for<{ row: string; text: string; inputs?: Partial<BuildInputs>; says: string }>([
  {
    row: "a variable that is not set",
    text: "FROM $V\n",
    says: '1 $V: read image reference "": it is empty',
  },
  { row: "an image in capitals", text: "FROM Alpine\n", says: "1 Alpine: read image reference" },
  {
    row: "a substitution of another shell",
    text: "ARG V=x\nFROM ${V^^}\n",
    says: '2 ${V^^}: the modifier "^" is not known',
  },
  {
    row: "an ARG that cannot be expanded",
    text: "ARG V=${X^}\nFROM a:$V\n",
    says: '2 a:$V: the value of "V" cannot be told',
  },
  {
    row: "an ARG made of one that cannot",
    text: "ARG V=${X^}\nARG W=$V\nFROM a:$W\n",
    says: '3 a:$W: the value of "W" cannot be told',
  },
  {
    row: "a platform that is none",
    text: "FROM --platform=a/b/c/d x\n",
    says: '1 x: read platform "a/b/c/d"',
  },
  { row: "a platform that is not set", text: "FROM --platform=$P x\n", says: '1 x: read platform ""' },
  {
    row: "a system or machine nobody knows",
    text: "FROM --platform=vax x\n",
    says: '1 x: read platform "vax"',
  },
  {
    row: "the time of the sources, which is found while building",
    text: "ARG SOURCE_DATE_EPOCH=context\nFROM a:$SOURCE_DATE_EPOCH\n",
    says: 'the value of "SOURCE_DATE_EPOCH" cannot be told',
  },
  {
    row: "the time of the sources, which is written anew",
    text: "ARG SOURCE_DATE_EPOCH\nFROM a:$SOURCE_DATE_EPOCH\n",
    inputs: { buildArgs: { SOURCE_DATE_EPOCH: "017" } },
    says: 'the value of "SOURCE_DATE_EPOCH" cannot be told',
  },
])("does not guess at $row", ({ text, inputs, says }) => {
  const { images, unknown } = inShort(text, inputs);
  expect(images).toEqual([]);
  expect(unknown).toEqual([expect.stringContaining(says)]);
});

test("an ARG that nobody can tell does not matter to a FROM that does not use it", () => {
  expect(inShort("ARG V=${X^}\nFROM a\n")).toEqual({ images: [`a:latest ${AMD} 2`], unknown: [] });
});

test("variables that double each other end in no memory", () => {
  const chain = Array.from({ length: 60 }, (_, index) => `ARG A${index + 1}=$A${index}$A${index}\n`).join("");
  const { unknown } = inShort(`ARG A0=${"x".repeat(1_000)}\n${chain}FROM a:$A60\n`);
  expect(unknown).toEqual([expect.stringContaining('the value of "A60" cannot be told')]);
});

test("five thousand stages for two platforms are no trouble", () => {
  const text = Array.from({ length: 5_000 }, (_, index) => `FROM a:${index} AS s${index}\n`).join("");
  const { images } = baseImages(text, { ...INPUTS, targetPlatforms: ["linux/amd64", "linux/arm64"] });
  expect(images).toHaveLength(10_000);
});

test("a real-world multi-stage file", () => {
  const text = [
    "# syntax=docker/dockerfile:1",
    "ARG GO_VERSION=1.22",
    "ARG ALPINE=3.19",
    "FROM --platform=$BUILDPLATFORM tonistiigi/xx:1.4.0 AS xx",
    "FROM --platform=$BUILDPLATFORM golang:${GO_VERSION}-alpine${ALPINE} AS build",
    "COPY --from=xx / /",
    "ARG TARGETPLATFORM",
    "RUN --mount=type=cache,target=/root/.cache <<EOT",
    "  set -e",
    "  FROM=$(pwd) xx-go build -o /out/app .",
    "EOT",
    "FROM scratch AS binary",
    "COPY --from=build /out/app /",
    "FROM gcr.io/distroless/static:nonroot AS image",
    "COPY --from=binary /app /app",
    'ENTRYPOINT ["/app"]',
    "",
  ].join("\n");
  expect(inShort(text, { targetPlatforms: ["linux/arm64"] })).toEqual({
    images: [
      "docker.io/tonistiigi/xx:1.4.0 linux/amd64 4",
      "golang:1.22-alpine3.19 linux/amd64 5",
      "gcr.io/distroless/static:nonroot linux/arm64 14",
    ],
    unknown: [],
  });
});

// A builder without the variable takes the default; one with it does not.
test.for([
  { unsure: [], images: ["stage-default:latest linux/amd64 1"], unknown: 0 },
  { unsure: ["TARGETSTAGE"], images: [], unknown: 1 },
])("a variable that the builder may not have is not guessed: $unsure", ({ unsure, images, unknown }) => {
  const found = inShort("FROM stage-${TARGETSTAGE:-evil}\n", { unsure });
  expect(found.images).toEqual(images);
  expect(found.unknown).toHaveLength(unknown);
});

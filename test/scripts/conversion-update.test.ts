// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { dockerfileTag, UpdateError, withImage, withRelease } from "../../scripts/conversion-update.ts";
import { RELEASE } from "../../src/conversion/release.ts";

const releaseFile = readFileSync("src/conversion/release.ts", "utf8");
const imageFile = readFileSync("Dockerfile.frontend", "utf8");

test("the image takes the conversion of the release that the code names", () => {
  expect(imageFile).toContain(`\nARG DOCKERFILE_IMAGE=docker.io/docker/dockerfile:${RELEASE.dockerfile}\n`);
  expect(dockerfileTag(RELEASE.buildkit)).toBe(RELEASE.dockerfile);
});

test("another release changes its three values and the image, and nothing else", () => {
  const changed = withRelease(releaseFile, { buildkit: "v0.99.1", sum: "h1:new", dockerfile: "1.93.0" });
  expect(changed).toBe(
    releaseFile
      .replace(RELEASE.buildkit, "v0.99.1")
      .replace(RELEASE.sum, "h1:new")
      .replace(`dockerfile: "${RELEASE.dockerfile}"`, 'dockerfile: "1.93.0"'),
  );
  expect(withImage(imageFile, "1.93.0")).toBe(
    imageFile.replace(`dockerfile:${RELEASE.dockerfile}`, "dockerfile:1.93.0"),
  );
});

test.for(["", "0.34.2", "v0.34", "v1.0.0", "v0.5.0", "latest", "v0.34.2; true"])(
  "%j is no version",
  (version) => {
    expect(() => dockerfileTag(version)).toThrow(UpdateError);
  },
);

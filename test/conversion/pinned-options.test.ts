// SPDX-License-Identifier: Apache-2.0
import { describe, expect, onTestFinished, test } from "vitest";
import { pinNamedContexts, pinUndigested, resolveDigest } from "../../src/conversion/pinned-options.ts";
import { parseReference } from "../../src/image/reference.ts";
import { type FakeBehaviour, FakeFailure, startFakeBuildkit } from "../gateway/fake-buildkit.ts";
import { digestOf } from "../llb/sample-llb.ts";

const DIGEST = digestOf("d1");
const OTHER = digestOf("d2");

async function started(resolve: NonNullable<FakeBehaviour["resolve"]>): ReturnType<typeof startFakeBuildkit> {
  const fake = await startFakeBuildkit({ resolve });
  onTestFinished(() => fake.close());
  return fake;
}

const everything = (): string => DIGEST;
function nothing(): never {
  throw new FakeFailure("not found");
}

describe("a named context with a tag is built with the digest that it has now", () => {
  test.for([
    {
      row: "a short name",
      option: { "context:base": "docker-image://alpine" },
      pinned: { "context:base": `docker-image://docker.io/library/alpine:latest@${DIGEST}` },
    },
    {
      row: "a name with registry and tag",
      option: { "context:base": "docker-image://localhost:5000/base:1.0" },
      pinned: { "context:base": `docker-image://localhost:5000/base:1.0@${DIGEST}` },
    },
    {
      row: "one that takes the place of an image",
      option: { "context:alpine:3.16": "docker-image://alpine:3.17" },
      pinned: { "context:alpine:3.16": `docker-image://docker.io/library/alpine:3.17@${DIGEST}` },
    },
  ])("$row", async ({ option, pinned }) => {
    const { bridge } = await started(everything);
    expect(await pinNamedContexts(bridge, { target: "a", ...option })).toEqual({ target: "a", ...pinned });
  });

  test("for the platform that it is for", async () => {
    const { bridge, heard } = await started(({ Platform }) =>
      (Platform as { Architecture?: string } | null)?.Architecture === "arm64" ? OTHER : DIGEST,
    );
    const pinned = await pinNamedContexts(bridge, {
      platform: "linux/amd64,linux/arm64",
      "context:base": "docker-image://base:1",
      "context:base::linux/arm64": "docker-image://base:1-arm",
    });
    expect(pinned).toMatchObject({
      "context:base": `docker-image://docker.io/library/base:1@${DIGEST}`,
      "context:base::linux/arm64": `docker-image://docker.io/library/base:1-arm@${OTHER}`,
    });
    expect(heard.resolves).toHaveLength(2);
  });
});

describe("every other option stays as it is, and asks nobody", () => {
  test.for([
    { row: "an image by digest", option: { "context:a": `docker-image://alpine@${DIGEST}` } },
    { row: "an image by tag and digest", option: { "context:a": `docker-image://alpine:3@${DIGEST}` } },
    { row: "a layout", option: { "context:a": `oci-layout://store@${DIGEST}` } },
    { row: "the empty image", option: { "context:a": "docker-image://scratch" } },
    { row: "a directory", option: { "context:a": "local:a" } },
    { row: "a repository", option: { "context:a": "https://github.com/a/b.git" } },
    { row: "a linked build", option: { "context:a": "input:0-a" } },
    { row: "a name that is none", option: { "context:a": "docker-image://UPPER" } },
    { row: "a build argument that looks like one", option: { "build-arg:a": "docker-image://alpine" } },
  ])("$row", async ({ option }) => {
    const { bridge, heard } = await started(everything);
    expect(await pinNamedContexts(bridge, option)).toEqual(option);
    expect(heard.resolves).toEqual([]);
  });
});

test("a context that does not resolve stays as it is: if it is used, the gate refuses it", async () => {
  const { bridge } = await started(nothing);
  const options = { "context:a": "docker-image://nobody/nothing:1" };
  expect(await pinNamedContexts(bridge, options)).toEqual(options);
});

describe("a digest is asked of the image store, then of the registry", () => {
  test.for([
    { row: "the store knows it", resolve: () => DIGEST, digest: DIGEST, modes: ["default"] },
    {
      row: "the store has the image and no digest",
      resolve: ({ ResolveMode }: { ResolveMode: string }) => (ResolveMode === "pull" ? DIGEST : ""),
      digest: DIGEST,
      modes: ["default", "pull"],
    },
    {
      row: "the store fails",
      resolve: ({ ResolveMode }: { ResolveMode: string }) => (ResolveMode === "pull" ? DIGEST : nothing()),
      digest: DIGEST,
      modes: ["default", "pull"],
    },
    { row: "nobody has it", resolve: nothing, digest: undefined, modes: ["default", "pull"] },
    {
      row: "the answer is no digest",
      resolve: () => "sha256:1",
      digest: undefined,
      modes: ["default", "pull"],
    },
  ])("$row", async ({ resolve, digest, modes }) => {
    const { bridge, heard } = await started(resolve);
    expect(await resolveDigest(bridge, parseReference("alpine:3.16"), "linux/arm/v7")).toBe(digest);
    expect(heard.resolves.map(({ ResolveMode }) => ResolveMode)).toEqual(modes);
    expect(heard.resolves[0]).toMatchObject({
      Ref: "docker.io/library/alpine:3.16",
      Platform: { OS: "linux", Architecture: "arm", Variant: "v7" },
      LogName: "[tlog] resolve docker.io/library/alpine:3.16",
    });
  });

  test("for no platform when none is known", async () => {
    const { bridge, heard } = await started(everything);
    await resolveDigest(bridge, parseReference("alpine"), "");
    expect(heard.resolves[0]?.Platform).toBeNull();
  });
});

describe("what the conversion gave no digest for is converted again", () => {
  const undigested = (...names: readonly string[]) =>
    names.map((name) => ({ reference: parseReference(name), platforms: [], locations: [] }));

  test.for([
    {
      row: "an image of the store: the registry is asked",
      options: { target: "a" },
      images: ["alpine:3.16"],
      pinned: { target: "a", "image-resolve-mode": "pull" },
    },
    {
      row: "the default SBOM generator",
      options: { "attest:sbom": "" },
      images: ["docker/buildkit-syft-scanner:stable-1"],
      pinned: { "attest:sbom": `generator=docker.io/docker/buildkit-syft-scanner:stable-1@${DIGEST}` },
    },
    {
      row: "an SBOM generator of one's own, among other fields",
      options: { "attest:sbom": "inline-only=true,generator=org/scan:2,x=y" },
      images: ["org/scan:2"],
      pinned: { "attest:sbom": `generator=docker.io/org/scan:2@${DIGEST},inline-only=true,x=y` },
    },
    {
      row: "a generator and a base image at once",
      options: { "attest:sbom": "generator=org/scan:2" },
      images: ["alpine:3.16", "org/scan:2"],
      pinned: {
        "attest:sbom": `generator=docker.io/org/scan:2@${DIGEST}`,
        "image-resolve-mode": "pull",
      },
    },
    {
      row: "another image than the generator, which has a digest",
      options: { "attest:sbom": `generator=org/scan:2@${OTHER}` },
      images: ["alpine:3.16"],
      pinned: { "attest:sbom": `generator=org/scan:2@${OTHER}`, "image-resolve-mode": "pull" },
    },
  ])("$row", async ({ options, images, pinned }) => {
    const { bridge } = await started(everything);
    expect(await pinUndigested(bridge, options, undigested(...images))).toEqual(pinned);
  });

  test("a generator that does not resolve stays as it is", async () => {
    const { bridge } = await started(nothing);
    const options = { "attest:sbom": "generator=org/scan:2" };
    expect(await pinUndigested(bridge, options, undigested("org/scan:2"))).toEqual(options);
  });
});

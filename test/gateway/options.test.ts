// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { askedPlatforms, buildArgs, readBuildOptions } from "../../src/gateway/options.ts";

const WORKERS = JSON.stringify([
  {
    id: "w",
    labels: {},
    platforms: [
      { os: "linux", architecture: "arm", variant: "v7" },
      { os: "linux", architecture: "amd64" },
    ],
  },
]);

test("every option of the build is read, whatever it is called", () => {
  const { options } = readBuildOptions({
    BUILDKIT_FRONTEND_OPT_0: "target=app",
    BUILDKIT_FRONTEND_OPT_1: "build-arg:QUERY=a=b&c=d",
    BUILDKIT_FRONTEND_OPT_2: "context:alpine::linux/arm64=docker-image://alpine:3",
    BUILDKIT_FRONTEND_OPT_3: "flag",
    BUILDKIT_FRONTEND_OPT_4: "empty=",
    BUILDKIT_FRONTEND_OPT_17: "build-arg:TEXT=two\nlines",
    PATH: "/bin",
    BUILDKIT_EXPORTEDPRODUCT: "x",
  });
  expect(options).toEqual({
    target: "app",
    "build-arg:QUERY": "a=b&c=d",
    "context:alpine::linux/arm64": "docker-image://alpine:3",
    flag: "",
    empty: "",
    "build-arg:TEXT": "two\nlines",
  });
  expect(buildArgs(options)).toEqual({ QUERY: "a=b&c=d", TEXT: "two\nlines" });
});

test("the client's session is known, when BuildKit names one", () => {
  expect(readBuildOptions({ BUILDKIT_SESSION_ID: "s1" })).toMatchObject({ sessionId: "s1" });
  expect(readBuildOptions({})).not.toHaveProperty("sessionId");
});

describe("the builder's own platform", () => {
  test.for([
    { row: "is the first of its first worker", workers: WORKERS, platform: "linux/arm/v7" },
    { row: "is unknown when BuildKit does not say", workers: undefined, platform: "" },
    { row: "is unknown when there is no worker", workers: "[]", platform: "" },
    { row: "is unknown when a worker has none", workers: '[{"platforms":[]}]', platform: "" },
    { row: "is unknown when it is not JSON", workers: "{", platform: "" },
    { row: "is unknown when it is of another shape", workers: '{"platforms":"linux"}', platform: "" },
  ])("$row", ({ workers, platform }) => {
    expect(readBuildOptions({ BUILDKIT_WORKERS: workers }).buildPlatform).toBe(platform);
  });
});

test.for([
  { platform: "linux/amd64,linux/arm64", asked: ["linux/amd64", "linux/arm64"] },
  { platform: "linux/s390x", asked: ["linux/s390x"] },
  { platform: "", asked: [] },
  { platform: undefined, asked: [] },
])("--platform=$platform asks for $asked", ({ platform, asked }) => {
  expect(askedPlatforms(platform === undefined ? {} : { platform })).toEqual(asked);
});

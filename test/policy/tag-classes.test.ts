// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { ruleFor } from "../../src/policy/rule-for.ts";
import { TAG_CLASSES, type TagClass, tagClass } from "../../src/policy/tag-classes.ts";

/** Tags as registries have them, with what is said of them. */
const CLASSES: readonly { readonly name: string; readonly shape: TagClass; readonly images: string }[] = [
  {
    name: "a tag that says it is immutable is blocked when it moved",
    shape: TAG_CLASSES.immutable,
    images:
      "acme/app:1.4-immutable ghcr.io/acme/app:latest_immutable debian:12.immutable alpine:edge-immutable",
  },
  {
    name: "a dated tag is blocked when it moved",
    shape: TAG_CLASSES.dated,
    images: `debian:bookworm-20240701-slim debian:bookworm-20240701 ubuntu:jammy-20240627.1 ubuntu:noble-20240605
      amazonlinux:2023.5.20240708.0 alpine:20240807 archlinux:base-20240101.0.204074 rockylinux:9.3.20231119
      quay.io/minio/minio:RELEASE.2024-07-04T14-25-45Z quay.io/acme/app:20240101123045 acme/app:2024-07-01
      acme/app:2024.07.01 k8s.gcr.io/x/y:v20240403-abcdef12 acme/app:nightly-20240701 oraclelinux:8-20240219
      acme/app:20240229T1200`,
  },
  {
    name: "a commit id is blocked when it moved",
    shape: TAG_CLASSES.commit,
    images: `acme/app:main-1a2b3c4 acme/app:sha-0f9e8d7 acme/app:v1.2.3-4-gabcdef0 ghcr.io/acme/app:sha-1234567
      acme/app:86e9d3a1f1c1a8a4c20000000000000000000000 acme/app:git-deadbee acme/app:3B18E512
      acme/app:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03`,
  },
  {
    name: "a build id is blocked when it moved",
    shape: TAG_CLASSES.build,
    images: `acme/app:build-42 acme/app:81731 acme/app:ci.1234 acme/app:run7 acme/app:main-1719560047
      redhat/ubi9:9.4-1123.1719560047 acme/app:pipeline_99 acme/app:1.2-build.7`,
  },
  {
    name: "an Alpine release is blocked when it moved",
    shape: TAG_CLASSES.alpine,
    images: "alpine:3.20.0 alpine:3.16.0 docker.io/library/alpine:3.9.6",
  },
  {
    name: "a full version of an image that is rebuilt is pinned to what was recorded",
    shape: TAG_CLASSES.rebuilt,
    images: `node:22.4.1 node:22.4.1-bookworm-slim python:3.12.4-alpine3.20 python:3.13.0rc2 postgres:17beta1
      golang:1.23rc1 golang:1.22.5-windowsservercore-ltsc2022 eclipse-temurin:17.0.11_9-jdk openjdk:8u292
      eclipse-temurin:21_35-jdk eclipse-temurin:8u412-b08-jdk-jammy nginx:1.28.0-bookworm busybox:1.36.1-musl
      rabbitmq:4.0.9 registry:3.0.0 alpine:3.20.0_rc1 maven:3.9.8-eclipse-temurin-17
      mcr.microsoft.com/dotnet/sdk:8.0.302-jammy public.ecr.aws/docker/library/node:22.4.1
      mirror.gcr.io/library/python:3.12.4`,
  },
  {
    name: "a full version of any other image is blocked when it moved",
    shape: TAG_CLASSES.version,
    images: `acme/app:1.2.3 acme/app:v1.2.3 bitnami/redis:7.2.5-debian-12-r2 ghcr.io/acme/app:release-1.2.3
      quay.io/keycloak/keycloak:25.0.1 grafana/grafana:11.1.0 aquasec/trivy:0.69.4 redhat/ubi9:9.4-1123
      homeassistant/home-assistant:2024.7.1 acme/app:3.0.0-rc.1 acme/app:1.2.3.4 localhost:5000/app:1.0.0
      registry.local/library/node:22.4.1 nginxinc/nginx-unprivileged:1.27.0 lscr.io/x/y:version-4.0.6`,
  },
  {
    name: "a floating tag is followed, and every change recorded",
    shape: TAG_CLASSES.floating,
    images: `alpine alpine:latest alpine:edge alpine:3.20 debian:bookworm debian:bookworm-slim debian:stable
      ubuntu:24.04 ubuntu:noble node:22 node:22.4 node:22-bookworm node:lts-alpine node:alpine3.20
      node:22.4-bookworm-slim postgres:16.3 python:3.13-rc golang:1.22-bookworm openjdk:8 nginx:mainline
      nginx:stable-alpine3.19-perl rabbitmq:3-management maven:3-eclipse-temurin-17 registry:2
      python:3.12-windowsservercore-1809 postgis/postgis:16-3.4 acme/app:v1 acme/app:v1.2 acme/app:pr-12
      acme/app:1.2.3-nightly acme/app:1.2.3-SNAPSHOT acme/app:main acme/app:amd64 acme/app:x86_64
      acme/app:linux-arm64 cgr.dev/chainguard/python:latest-dev aquasec/trivy:latest
      mcr.microsoft.com/windows/servercore:ltsc2022 acme/app:2024 acme/app:2024-13-41`,
  },
  {
    name: "a tag of no known shape is pinned to what was recorded",
    shape: TAG_CLASSES.other,
    images: "acme/app:q4x7f9z2 acme/app:_ acme/app:x1.2devx acme/app:20240832x",
  },
];

describe("without a word of the policy", () => {
  test.for(
    CLASSES.flatMap(({ name, shape, images }) =>
      images.split(/\s+/).map((image) => ({ name, shape, image })),
    ),
  )("$name: $image", ({ shape, image }) => {
    const reference = parseReference(image);
    expect(tagClass(reference)).toBe(shape);
    expect(ruleFor({ rules: [] }, reference)).toEqual({
      action: shape.action,
      unseen: "record",
      unknown: "block",
      private: false,
      byDigest: "allow",
      source: `default: ${shape.name}`,
      why: shape.why,
    });
  });
});

test("every class has examples that are of it", () => {
  for (const shape of Object.values(TAG_CLASSES)) {
    for (const image of shape.examples)
      expect([image, tagClass(parseReference(image))]).toEqual([image, shape]);
  }
});

test("an image without a tag is followed", () => {
  expect(tagClass({ registry: "docker.io", repository: "library/alpine" })).toBe(TAG_CLASSES.floating);
});

test("the case of a registry's name makes no other class", () => {
  expect(tagClass(parseReference("MCR.microsoft.com/dotnet/sdk:8.0.302"))).toBe(TAG_CLASSES.rebuilt);
});

test.for([
  { row: "letters and a stray sign", tag: `${"a".repeat(126)}__` },
  { row: "letters and signs in turn", tag: `${"a-".repeat(62)}__1` },
  { row: "digits", tag: `${"1".repeat(127)}_` },
  { row: "dots", tag: `1${".".repeat(127)}` },
  { row: "hexadecimal digits", tag: `${"a1".repeat(63)}g` },
])("a tag that is made of $row is classed at once", ({ tag }) => {
  const started = performance.now();
  tagClass({ registry: "docker.io", repository: "library/alpine", tag });
  expect(performance.now() - started).toBeLessThan(100);
});

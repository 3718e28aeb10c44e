// SPDX-License-Identifier: Apache-2.0

/** The one release of BuildKit whose Dockerfile conversion we bring along. `npm run conversion:update` writes this file. */
export const RELEASE = {
  /** The version of the module github.com/moby/buildkit. */
  buildkit: "v0.34.2",
  /** What go.sum says of it. */
  sum: "h1:fXgOe79JW5zJNDumRtwTemOklLX66otQokObUXuiGJo=",
  /** The oldest Go that builds it. */
  go: "1.26.8",
  /** The tag of the image docker.io/docker/dockerfile that has the same conversion. */
  dockerfile: "1.28.0",
} as const;

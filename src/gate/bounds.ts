// SPDX-License-Identifier: Apache-2.0

/** The most images that a build may ask for: a Dockerfile of hundreds of stages has fewer. */
export const MAX_IMAGES = 512;

/** The largest configuration of an image, in bytes. Docker's own limit for one is 4 MiB. */
export const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/** The most calls of one conversion: one for each file that it reads and each image of each platform. */
export const MAX_CALLS = 20_000;

/** The most answers to Solve that a conversion holds. */
export const MAX_REFS = 2_000;

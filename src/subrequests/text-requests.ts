// SPDX-License-Identifier: Apache-2.0

/** A question that is asked with `docker buildx build --call NAME` and answered with text instead of an image. */
export interface TextRequest {
  /** As it arrives in the option `requestid`; people write it without `frontend.`. */
  readonly id: string;
  /** Of the answer's JSON. */
  readonly version: string;
  readonly description: string;
  /** The options that make a difference to it. */
  readonly options: readonly { readonly name: string; readonly description: string }[];
}

const TARGET = { name: "target", description: "Stage to check" };
const PLATFORM = { name: "platform", description: "Platforms to check" };
const BUILT = [TARGET, PLATFORM];

/** The questions that this frontend answers besides those of the standard one. */
export const TEXT_REQUESTS = {
  check: {
    id: "frontend.tlog",
    version: "1.0.0",
    description: "Check every image of the build against the transparency log, without building",
    options: [
      ...BUILT,
      { name: "build-arg:TLOG_APPROVE", description: "Tag whose new image is approved in the log" },
      { name: "build-arg:TLOG_REASON", description: "Why it is approved, for the log" },
    ],
  },
  policy: {
    id: "frontend.tlog.policy",
    version: "1.0.0",
    description: "Show the policy in effect, and where each part of it comes from",
    options: [],
  },
  lock: {
    id: "frontend.tlog.lock",
    version: "1.0.0",
    description: "Print the lock file with the evidence for every image of the build",
    options: [
      ...BUILT,
      { name: "build-arg:TLOG_LOCK", description: '"check": fail when the lock file is not up to date' },
    ],
  },
  verify: {
    id: "frontend.tlog.verify",
    version: "1.0.0",
    description: "Check the evidence that a built image carries about its base images",
    options: [{ name: "build-arg:TLOG_IMAGE", description: "Image to verify" }],
  },
  sourcePolicy: {
    id: "frontend.tlog.source-policy",
    version: "1.0.0",
    description: "Print a BuildKit source policy that pins every image of the build",
    options: BUILT,
  },
  regoData: {
    id: "frontend.tlog.rego-data",
    version: "1.0.0",
    description: "Print the images of the build as data for policies in Rego",
    options: BUILT,
  },
} as const satisfies Readonly<Record<string, TextRequest>>;

/** BuildKit's own question for the list of all questions. */
export const DESCRIBE = "frontend.subrequests.describe";

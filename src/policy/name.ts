// SPDX-License-Identifier: Apache-2.0

/** The file beside the Dockerfile that says how the build is judged. */
export const POLICY_FILE = "tlog.policy.yaml";
/** One that is larger takes longer to read than a build may be held up; in bytes. */
export const MAX_POLICY_BYTES = 64 * 1024;

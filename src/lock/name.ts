// SPDX-License-Identifier: Apache-2.0

/** How the lock file is called when the policy does not say otherwise. */
export const LOCK_FILE = "tlog.lock";
/** As much as BuildKit writes into a file, and prints as an answer, in one message. */
export const MAX_LOCK_BYTES = 15 * 1024 * 1024;
